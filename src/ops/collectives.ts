// The ops that change how a value is spread over an axis. Forward and backward of each:
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
import { fail } from '../errors.ts';
import { elements, expectShape, type Op, type Shape, type TensorShape, type Value } from '../program/program.ts';
import { checkedShapes, record } from '../program/trace.ts';
import { type AxisType, mapTypes, type TypedAxis } from '../program/types.ts';
import { type Instead, insteadOf } from './instead-of.ts';
import { float, ndarray } from './shapes.ts';

interface OnAxis {
  readonly axis: TypedAxis;
}
interface Gathered extends OnAxis {
  readonly dim: number;
  readonly ranks: number;
}
export interface Reduced extends OnAxis {
  readonly reduce: 'sum' | 'max';
  readonly to: 'R' | 'I';
}
interface OwnPart extends OnAxis {
  readonly dim: number;
  readonly start: number;
  readonly size: number;
}

const resized = (shape: Shape, dim: number, size: number): TensorShape =>
  float(shape.map((n, d) => (d === dim ? size : n)));

/** Records a collective: the operand's type on the axis must be one of `from`, and becomes `to`. */
function transition<A extends OnAxis>(
  op: Op<A>,
  x: Value,
  attrs: A,
  from: readonly AxisType[],
  to: AxisType,
  instead: Instead,
): Value {
  const { axis } = attrs;
  const type = x.types[axis] ?? 'R';
  if (!from.includes(type))
    return fail('TYPE_MISMATCH', {
      op: op.name,
      site: x.trace.site,
      axis,
      problem: `it takes ${from.join(' or ')} but the operand is ${type}`,
      fix: instead(axis, type),
    });
  const shapes = checkedShapes(op, [x], attrs, x.trace);
  return record(op, [x], attrs, shapes, [mapTypes(x.types, (old, a) => (a === axis ? to : old))])[0]!;
}

const alone = (x: Value, axis: TypedAxis) => x.trace.mesh[axis] === 1;
const copyReference: Op['reference'] = ([x]) => [x!];

const enterOp: Op<OnAxis> = {
  name: 'enter',
  shape: ([x]) => [x!],
  vjp: ({ node, gradients: [g] }) => [allReduce(g!, node.attrs.axis, 'I')],
  execution: { by: 'nobody' },
  reference: copyReference,
};

const allReduceOp: Op<Reduced> = {
  name: 'allReduce',
  shape: ([x]) => [x!],
  vjp: ({ node, gradients: [g] }) => {
    if (node.attrs.reduce === 'max') return [undefined];
    return [node.attrs.to === 'I' ? enter(g!, node.attrs.axis) : allReduce(g!, node.attrs.axis, 'R')];
  },
  execution: { by: 'transport', call: 'allReduce' },
};

const allGatherOp: Op<Gathered & { to: 'R' | 'I' }> = {
  name: 'allGather',
  shape: ([x], { dim, ranks }) => [resized(x!.shape, dim, x!.shape[dim]! * ranks)],
  vjp: ({ node, gradients: [g] }) => {
    const { axis, dim, to } = node.attrs;
    return [to === 'R' ? reduceScatter(g!, axis, dim) : ownSlice(g!, axis, dim)];
  },
  execution: { by: 'transport', call: 'allGather' },
};

const reduceScatterOp: Op<Gathered> = {
  name: 'reduceScatter',
  shape: ([x], { dim, ranks }) => {
    expectShape(
      x!.shape[dim]! % ranks === 0,
      `dim ${dim} of [${x!.shape}] does not divide over ${ranks} ranks; make it a multiple of ${ranks}`,
    );
    return [resized(x!.shape, dim, x!.shape[dim]! / ranks)];
  },
  vjp: ({ node, gradients: [g] }) => [allGather(g!, node.attrs.axis, node.attrs.dim)],
  execution: { by: 'transport', call: 'reduceScatter' },
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
    return [resized(x!.shape, dim, size)];
  },
  vjp: ({ node, gradients: [g] }) => {
    const [x] = node.inputs as [Value];
    const { axis, dim, start } = node.attrs;
    if (x.types[axis] === 'I') return [allGather(g!, axis, dim, 'I')];
    return [transition(ownPadOp, g!, { axis, dim, start, size: x.shape[dim]! }, [`V${dim}`], 'P', insteadOf.gather)];
  },
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
  shape: ([x], { dim, size }) => [resized(x!.shape, dim, size)],
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

/** I -> R: from here on every rank does something else with it. Costs nothing; its gradient is summed over the axis. */
export function enter(x: Value, axis: TypedAxis): Value {
  if (alone(x, axis)) return x;
  return transition(enterOp, x, { axis }, ['I'], 'R', insteadOf.enter);
}

/** P -> I or R: the sum over the axis, on every rank. */
export function allReduce(x: Value, axis: TypedAxis, to: 'I' | 'R'): Value {
  if (alone(x, axis)) return x;
  return transition<Reduced>(allReduceOp, x, { axis, reduce: 'sum', to }, ['P'], to, insteadOf.sum);
}

/** Pmax -> R: the maximum over the axis, on every rank. No gradient flows through it. */
export function allReduceMax(x: Value, axis: TypedAxis): Value {
  if (alone(x, axis)) return x;
  return transition<Reduced>(allReduceOp, x, { axis, reduce: 'max', to: 'R' }, ['Pmax'], 'R', insteadOf.maximum);
}

/** V{dim} -> R (or I, when all ranks do the same with it): the whole tensor, on every rank. */
export function allGather(x: Value, axis: TypedAxis, dim: number, to: 'R' | 'I' = 'R'): Value {
  if (alone(x, axis)) return x;
  const attrs = { axis, dim, ranks: x.trace.mesh[axis], to };
  return transition(allGatherOp, x, attrs, [`V${dim}`], to, insteadOf.gather);
}

/** P -> V{dim}: each rank gets its slice of the sum. */
export function reduceScatter(x: Value, axis: TypedAxis, dim: number): Value {
  if (alone(x, axis)) return x;
  const attrs = { axis, dim, ranks: x.trace.mesh[axis] };
  return transition(reduceScatterOp, x, attrs, ['P'], `V${dim}`, insteadOf.scatter);
}

/** R or I -> V{dim}: keeps elements [start, start + size) of the dim, by default this rank's even share. */
export function ownSlice(x: Value, axis: TypedAxis, dim: number, part?: { start: number; size: number }): Value {
  if (alone(x, axis)) {
    if (part && (part.start !== 0 || part.size !== x.shape[dim]))
      fail('SHAPE_MISMATCH', {
        op: ownSliceOp.name,
        site: x.trace.site,
        problem: `the one rank on ${axis} keeps all ${x.shape[dim]} elements of dim ${dim}, not ${part.start} to ${part.start + part.size}; cut it with firstRows`,
      });
    return x;
  }
  const size = part?.size ?? x.shape[dim]! / x.trace.mesh[axis];
  const start = part?.start ?? size * x.trace.coords[axis];
  return transition(ownSliceOp, x, { axis, dim, start, size }, part ? ['R'] : ['R', 'I'], `V${dim}`, insteadOf.slice);
}

export const collectiveOps = { enterOp, allReduceOp, allGatherOp, reduceScatterOp, ownSliceOp, ownPadOp };
