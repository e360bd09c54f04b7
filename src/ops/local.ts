// Regions in which an axis is local: between `enterLocal` and `leaveLocal` each rank computes with what it holds, whatever the others do, and
// says itself when they talk. Forward and backward of each:
//
//   enterLocal      Vd -> L  |  leaveLocal Vd            (Od -> L  |  leaveLocal POd,  R -> L  |  leaveLocal P,  P -> L  |  leaveLocal R)
//   leaveLocal Vd   L -> Vd  |  enterLocal
//   ringShift +n    L -> L   |  ringShift -n
//   exchangeBlocks  L -> L   |  exchangeBlocks
//
// That the parts which leave a region make up the whole again is not checked by type: it is what tests of the region must show.
import { expectShape, type Op, type Value } from '../program/program.ts';
import { apply } from '../program/trace.ts';
import { type AxisType, cutOf, dual, type TypedAxis } from '../program/types.ts';
import { copyReference, type OnAxes, several, transition } from './collectives.ts';
import { insteadOf } from './instead-of.ts';
import { float, labels, ndarray } from './shapes.ts';

/** Of what lies outside. */
interface Outside extends OnAxes {
  readonly type: AxisType;
}

const enterLocalOp: Op<Outside> = {
  name: 'enterLocal',
  shape: ([x]) => [x!],
  vjp: ({ node, gradients: [g] }) => [leaveLocal(g!, node.attrs.axes[0]!, dual(node.attrs.type))],
  execution: { by: 'nobody' },
  reference: copyReference,
};

const leaveLocalOp: Op<Outside> = {
  name: 'leaveLocal',
  shape: ([x]) => [x!],
  vjp: ({ node, gradients: [g] }) => [enterLocal(g!, node.attrs.axes[0]!)],
  execution: { by: 'nobody' },
  reference: copyReference,
};

export interface Shifted extends OnAxes {
  /** Places on in the group that a rank's operand goes. */
  readonly shift: number;
}

export const ringShiftOp: Op<Shifted> = {
  name: 'ringShift',
  shape: ([x]) => [x!],
  vjp: ({ node, gradients: [g] }) => [ringShift(g!, node.attrs.axes[0]!, -node.attrs.shift)],
  execution: { by: 'transport', call: 'ringShift', how: ({ shift }) => ({ shift }) },
};

const exchangeBlocksOp: Op<OnAxes & { readonly ranks: number }> = {
  name: 'exchangeBlocks',
  shape: ([x], { ranks }) => {
    expectShape(x!.shape[0] === ranks, `dim 0 of [${x!.shape}] must have a block for each of ${ranks} ranks`);
    return [x!];
  },
  vjp: ({ node, gradients: [g] }) => [exchangeBlocks(g!, node.attrs.axes[0]!)],
  execution: { by: 'transport', call: 'allToAll', how: () => ({}) },
};

interface Blocks {
  readonly dim: number;
  readonly blocks: number;
}

/** [a, blocks · m, c] -> [blocks, a, m, c]: a copy with the blocks of a dim first. */
const splitBlocksOp: Op<Blocks> = {
  name: 'splitBlocks',
  shape: ([x], { dim, blocks }) => {
    const size = x!.shape[dim]!;
    expectShape(size % blocks === 0, `dim ${dim} of [${x!.shape}] does not divide into ${blocks} blocks`);
    return [float([blocks, ...x!.shape.map((n, d) => (d === dim ? size / blocks : n))])];
  },
  typing: ([x], { dim }) => {
    const [given, made] = wholeIn(x!.shape.length, dim);
    return { dims: `${given} -> 1 ${made}`, linear: 'all' };
  },
  vjp: ({ node, gradients: [g] }) => [joinBlocks(g!, node.attrs.dim)],
  execution: {
    by: 'onnx',
    lower: (onnx, [x], { dim, blocks }, { inputs: [given] }) => {
      const { shape } = given!;
      const cut = [...shape.slice(0, dim), blocks, shape[dim]! / blocks, ...shape.slice(dim + 1)];
      const order = cut.map((_, d) => d).filter((d) => d !== dim);
      return [onnx.transpose(onnx.reshape(x!, cut), [dim, ...order])];
    },
  },
  reference: ([x], { dim, blocks }) => {
    const shape = [blocks, ...x!.shape.map((n, d) => (d === dim ? n / blocks : n))];
    return [ndarray(shape, (i) => x!.data[placeJoined(i, shape, dim)]!)];
  },
};

/** [blocks, a, m, c] -> [a, blocks · m, c]: the other way. */
const joinBlocksOp: Op<{ readonly dim: number }> = {
  name: 'joinBlocks',
  shape: ([x], { dim }) => [float(x!.shape.slice(1).map((n, d) => (d === dim ? n * x!.shape[0]! : n)))],
  typing: ([x], { dim }) => {
    const [given, made] = wholeIn(x!.shape.length - 1, dim);
    return { dims: `1 ${given} -> ${made}`, linear: 'all' };
  },
  vjp: ({ node, gradients: [g] }) => [splitBlocks(g!, node.attrs.dim, node.inputs[0]!.shape[0]!)],
  execution: {
    by: 'onnx',
    lower: (onnx, [x], { dim }, { inputs: [given], outputs: [made] }) => {
      const order = given!.shape.map((_, d) => d).slice(1);
      return [onnx.reshape(onnx.transpose(x!, order.toSpliced(dim, 0, 0)), made!.shape)];
    },
  },
  reference: ([x], { dim }) => {
    const shape = x!.shape.slice(1).map((n, d) => (d === dim ? n * x!.shape[0]! : n));
    const joined = ndarray(shape, () => 0);
    for (const [i, value] of x!.data.entries()) joined.data[placeJoined(i, x!.shape, dim)] = value;
    return [joined];
  },
};

/** Labels of dims of which one must be whole, of an operand and of a result. */
function wholeIn(rank: number, dim: number): readonly [string, string] {
  const made = labels(rank);
  return [
    made
      .split(' ')
      .map((label, d) => (d === dim ? `${label}!` : label))
      .join(' '),
    made,
  ];
}

/** Where the i-th number of [blocks, a, m, c] stands in [a, blocks · m, c]. */
function placeJoined(index: number, [blocks, ...shape]: readonly number[], dim: number): number {
  const product = (sizes: readonly number[]) => sizes.reduce((a, b) => a * b, 1);
  const run = product(shape.slice(dim));
  const [within, outer] = [index % run, Math.floor(index / run)];
  const rows = product(shape.slice(0, dim));
  return ((outer % rows) * blocks! + Math.floor(outer / rows)) * run + within;
}

/** V, O, R or P -> L: from here on each rank works with what it holds. Free. */
export function enterLocal(x: Value, axis: TypedAxis): Value {
  if (several(x, axis).length === 0) return x;
  const type = x.types[axis]!;
  const from = cutOf(type) || type === 'R' || type === 'P' ? [type] : [];
  return transition(enterLocalOp, x, { axes: [axis], type }, from, 'L', insteadOf.local);
}

/** L -> `type`, that of a cut or P: what the ranks hold are the parts of one whole again, or the terms of a sum. Free. */
export function leaveLocal(x: Value, axis: TypedAxis, type: AxisType): Value {
  if (several(x, axis).length === 0) return x;
  return transition(leaveLocalOp, x, { axes: [axis], type }, ['L'], type, insteadOf.outside);
}

/** L -> L: a rank gets what the rank `shift` places before it on the axis holds. */
export function ringShift(x: Value, axis: TypedAxis, shift: number): Value {
  if (several(x, axis).length === 0) return x;
  return transition(ringShiftOp, x, { axes: [axis], shift }, ['L'], 'L', insteadOf.outside);
}

/** L -> L: x [ranks, ..]; block i goes to rank i, and block j of the result comes from rank j. */
export function exchangeBlocks(x: Value, axis: TypedAxis): Value {
  if (several(x, axis).length === 0) return x;
  const attrs = { axes: [axis], ranks: x.trace.mesh[axis] };
  return transition(exchangeBlocksOp, x, attrs, ['L'], 'L', insteadOf.outside);
}

/** x [.., n, ..] -> [blocks, .., n / blocks, ..]. */
export const splitBlocks = (x: Value, dim: number, blocks: number): Value =>
  apply(splitBlocksOp, [x], { dim, blocks })[0]!;

/** x [blocks, .., n, ..], n being dim `dim` of what follows dim 0 -> [.., blocks · n, ..]. */
export const joinBlocks = (x: Value, dim: number): Value => apply(joinBlocksOp, [x], { dim })[0]!;

export const localOps = { enterLocalOp, leaveLocalOp, ringShiftOp, exchangeBlocksOp, splitBlocksOp, joinBlocksOp };
