// The ops that change how a value is spread over an axis or a set of axes. Forward and backward of each:
//
//   enter          I -> R    |  all-reduce P -> I
//   allReduce      P -> I    |  enter I -> R
//   allReduce      P -> R    |  all-reduce P -> R
//   allReduce max  Pmax -> R |  (no gradient)
//   allGather d    Vd -> R   |  reduceScatter d: P -> Vd
//   reduceScatter d P -> Vd  |  allGather d: Vd -> R
//   allGather d    Vd -> I   |  ownSlice d: I -> Vd
//   ownSlice d     I -> Vd   |  allGather d: Vd -> I
//   ownSlice d     R -> Vd   |  ownPad: Vd -> P
//   ownSlice part  R -> Od   |  ownPad: POd -> P
import { fail } from '../errors.ts';
import { memoryKernel } from '../program/kernel-of.ts';
import { elements, expectShape, type Op, type TensorShape, type Value } from '../program/program.ts';
import { checkedShapes, record } from '../program/trace.ts';
import { type AxisType, dual, mapTypes, type TypedAxis, typedAxes } from '../program/types.ts';
import { type Instead, insteadOf } from './instead-of.ts';
import { ndarray } from './shapes.ts';

/** One axis, or a set of them that a collective goes over in one call. */
export type Over = TypedAxis | readonly TypedAxis[];

export interface OnAxes {
  readonly axes: readonly TypedAxis[];
}
interface Gathered extends OnAxes {
  readonly dim: number;
  readonly ranks: number;
}
export interface Reduced extends OnAxes {
  readonly reduce: 'sum' | 'max';
  readonly to: 'R' | 'I';
}
interface OwnPart extends OnAxes {
  readonly dim: number;
  readonly start: number;
  readonly size: number;
}

const resized = ({ shape, dtype }: TensorShape, dim: number, size: number): TensorShape => ({
  shape: shape.map((n, d) => (d === dim ? size : n)),
  dtype,
});

/** Records a collective: the type of `x` on every axis must be one of `from`, and becomes `to`. `others`: what it is told besides; `counted`: how
 * many rows of the result there are. */
export function transition<A extends OnAxes>(
  op: Op<A>,
  x: Value,
  attrs: A,
  from: readonly AxisType[],
  to: AxisType,
  instead: Instead,
  others: readonly Value[] = [],
  counted?: Value,
): Value {
  for (const axis of attrs.axes) {
    const type = x.types[axis] ?? 'R';
    if (!from.includes(type))
      return fail('TYPE_MISMATCH', {
        op: op.name,
        site: x.trace.site,
        axis,
        problem: `it takes ${from.join(' or ')} but the operand is ${type}`,
        fix: instead(axis, type),
      });
  }
  const inputs = [x, ...others];
  const shapes = checkedShapes(op, inputs, attrs, x.trace);
  const types = mapTypes(x.types, (old, a) => (attrs.axes.includes(a) ? to : old));
  return record(op, inputs, attrs, shapes, [types], counted)[0]!;
}

/** Those of more than one rank, in the mesh's order. */
export const several = (x: Value, over: Over): TypedAxis[] =>
  typedAxes.filter(
    (axis) => x.trace.mesh[axis] > 1 && (typeof over === 'string' ? axis === over : over.includes(axis)),
  );

const ranksOn = (x: Value, axes: readonly TypedAxis[]): number =>
  axes.reduce((product, axis) => product * x.trace.mesh[axis], 1);

/** This rank's place among those on the axes, the first axis fastest. */
function placeOn({ trace: { mesh, coords } }: Value, axes: readonly TypedAxis[]): number {
  return axes.reduceRight((place, axis) => place * mesh[axis] + coords[axis], 0);
}

export const copyReference: Op['reference'] = ([x]) => [x!];

/** How contiguous memory sees a tensor cut along `dim` into one shard a rank. */
const cutOf = (shard: TensorShape, dim: number) => ({
  outer: elements(shard.shape.slice(0, dim)),
  inner: elements(shard.shape.slice(dim)),
});

const enterOp: Op<OnAxes> = {
  name: 'enter',
  shape: ([x]) => [x!],
  vjp: ({ node, gradients: [g] }) => [allReduce(g!, node.attrs.axes, 'I')],
  execution: { by: 'nobody' },
  reference: copyReference,
};

const allReduceOp: Op<Reduced> = {
  name: 'allReduce',
  shape: ([x]) => [x!],
  vjp: ({ node, gradients: [g] }) => {
    if (node.attrs.reduce === 'max') return [undefined];
    return [node.attrs.to === 'I' ? enter(g!, node.attrs.axes) : allReduce(g!, node.attrs.axes, 'R')];
  },
  execution: { by: 'transport', call: 'allReduce', how: ({ reduce }) => ({ reduce }) },
};

const allGatherOp: Op<Gathered & { to: 'R' | 'I'; still?: boolean }> = {
  name: 'allGather',
  shape: ([x], { dim, ranks }) => [resized(x!, dim, x!.shape[dim]! * ranks)],
  vjp: ({ node, gradients: [g] }) => {
    const { axes, dim, to } = node.attrs;
    return [to === 'R' ? reduceScatter(g!, axes, dim) : ownSlice(g!, axes, dim)];
  },
  execution: {
    by: 'transport',
    call: 'allGather',
    how: ({ dim, still }, { inputs: [shard] }) => ({ ...cutOf(shard!, dim), ...(still && { still }) }),
  },
};

const reduceScatterOp: Op<Gathered> = {
  name: 'reduceScatter',
  shape: ([x], { dim, ranks }) => {
    expectShape(
      x!.shape[dim]! % ranks === 0,
      `dim ${dim} of [${x!.shape}] does not divide over ${ranks} ranks; make it a multiple of ${ranks}`,
    );
    return [resized(x!, dim, x!.shape[dim]! / ranks)];
  },
  vjp: ({ node, gradients: [g] }) => [allGather(g!, node.attrs.axes, node.attrs.dim)],
  execution: { by: 'transport', call: 'reduceScatter', how: ({ dim }, { outputs: [shard] }) => cutOf(shard!, dim) },
};

const ownSliceOp: Op<OwnPart> = {
  name: 'ownSlice',
  shape: ([x], { dim, start, size }) => {
    const held = x!.shape[dim]!;
    expectShape(
      Number.isInteger(size),
      `dim ${dim} of [${x!.shape}] does not divide into ${held / size} shares; make it a multiple of ${held / size}`,
    );
    expectShape(
      start >= 0 && start + size <= held,
      `elements ${start} to ${start + size} of dim ${dim} of [${x!.shape}] do not exist; keep within 0 to ${held}`,
    );
    return [resized(x!, dim, size)];
  },
  vjp: ({ node, gradients: [g] }) => {
    const [x] = node.inputs as [Value];
    const { axes, dim, start } = node.attrs;
    if (axes.every((axis) => x.types[axis] === 'I')) return [allGather(g!, axes, dim, 'I')];
    const from = [dual(node.outputs[0]!.types[axes[0]!]!)];
    return [transition(ownPadOp, g!, { axes, dim, start, size: x.shape[dim]! }, from, 'P', insteadOf.gather)];
  },
  kernel: ([x], { dim, size }) => memoryKernel([resized(x!, dim, size), resized(x!, dim, size)]),
  execution: { by: 'onnx', lower: (onnx, [x], { dim, start, size }) => [onnx.slice(x!, dim, start, start + size)] },
  reference: ([x], { dim, start, size }) => {
    const inner = elements(x!.shape.slice(dim + 1));
    const shape = x!.shape.map((n, d) => (d === dim ? size : n));
    return [
      ndarray(
        shape,
        (i) => x!.data[Math.floor(i / inner / size) * x!.shape[dim]! * inner + start * inner + (i % (size * inner))]!,
      ),
    ];
  },
};

/** Zeros around this rank's part, so that it can be summed with the others' parts. */
const ownPadOp: Op<OwnPart> = {
  name: 'ownPad',
  shape: ([x], { dim, size }) => [resized(x!, dim, size)],
  execution: {
    by: 'onnx',
    lower: (onnx, [x], { dim, start, size }, node) => {
      const { shape } = node.inputs[0]!;
      const pads = [
        ...shape.map((_, d) => (d === dim ? start : 0)),
        ...shape.map((n, d) => (d === dim ? size - start - n : 0)),
      ];
      return [onnx.add('Pad', [x!, onnx.int64s(...pads)])];
    },
  },
  reference: ([x], { dim, start, size }) => {
    const inner = elements(x!.shape.slice(dim + 1));
    const held = x!.shape[dim]!;
    const shape = x!.shape.map((n, d) => (d === dim ? size : n));
    return [
      ndarray(shape, (i) => {
        const place = (Math.floor(i / inner) % size) - start;
        return place < 0 || place >= held
          ? 0
          : x!.data[(Math.floor(i / inner / size) * held + place) * inner + (i % inner)]!;
      }),
    ];
  },
};

/** I -> R: from here on every rank does something else with it. Costs nothing; its gradient is summed over the axes. */
export function enter(x: Value, over: Over): Value {
  const axes = several(x, over);
  return axes.length === 0 ? x : transition(enterOp, x, { axes }, ['I'], 'R', insteadOf.enter);
}

/** P -> I or R: the sum over the axes, on every rank. */
export function allReduce(x: Value, over: Over, to: 'I' | 'R'): Value {
  const axes = several(x, over);
  if (axes.length === 0) return x;
  return transition<Reduced>(allReduceOp, x, { axes, reduce: 'sum', to }, ['P'], to, insteadOf.sum);
}

/** Pmax -> R: the maximum over the axes, on every rank. No gradient flows through it. */
export function allReduceMax(x: Value, over: Over): Value {
  const axes = several(x, over);
  if (axes.length === 0) return x;
  return transition<Reduced>(allReduceOp, x, { axes, reduce: 'max', to: 'R' }, ['Pmax'], 'R', insteadOf.maximum);
}

/** V{dim} -> R (or I, when all ranks do the same with it): the whole tensor, on every rank. */
export const allGather = (x: Value, over: Over, dim: number, to: 'R' | 'I' = 'R'): Value =>
  gathered(x, over, { dim, to });

/** As {@link allGather} to R, of shards that no rank changes meanwhile: see `still` of `Transport.allGather` for what that means. */
export const allGatherStill = (x: Value, over: Over, dim: number): Value =>
  gathered(x, over, { dim, to: 'R', still: true });

function gathered(x: Value, over: Over, how: { dim: number; to: 'R' | 'I'; still?: boolean }): Value {
  const axes = several(x, over);
  if (axes.length === 0) return x;
  const { dim, ...more } = how;
  const attrs = { axes, dim, ranks: ranksOn(x, axes), ...more };
  return transition(allGatherOp, x, attrs, [`V${how.dim}`], how.to, insteadOf.gather);
}

/** P -> V{dim}: each rank gets its slice of the sum. */
export function reduceScatter(x: Value, over: Over, dim: number): Value {
  const axes = several(x, over);
  if (axes.length === 0) return x;
  return transition(reduceScatterOp, x, { axes, dim, ranks: ranksOn(x, axes) }, ['P'], `V${dim}`, insteadOf.scatter);
}

/** R or I -> V{dim}: keeps this rank's even share of the dim. R -> O{dim}: keeps `part` of it, which may overlap other ranks' parts. */
export function ownSlice(x: Value, over: Over, dim: number, part?: { start: number; size: number }): Value {
  const axes = several(x, over);
  if (axes.length === 0) {
    if (part && (part.start !== 0 || part.size !== x.shape[dim]))
      fail('SHAPE_MISMATCH', {
        op: ownSliceOp.name,
        site: x.trace.site,
        problem: `the one rank on ${over} keeps all ${x.shape[dim]} elements of dim ${dim}, not ${part.start} to ${part.start + part.size}; cut it with firstRows`,
      });
    return x;
  }
  const size = part?.size ?? x.shape[dim]! / ranksOn(x, axes);
  const start = part?.start ?? size * placeOn(x, axes);
  const [from, to] = part ? ([['R'], `O${dim}`] as const) : ([['R', 'I'], `V${dim}`] as const);
  return transition(ownSliceOp, x, { axes, dim, start, size }, from, to, insteadOf.slice);
}

export const collectiveOps = { enterOp, allReduceOp, allGatherOp, reduceScatterOp, ownSliceOp, ownPadOp };
