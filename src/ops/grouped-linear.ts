// Matrix products of tokens with the weights of their own experts, and the sums of outer products that are those weights' gradients.
//
//   tokens [b, s, in]        a b c d          slots [b, s, k, in], k = 2: each token once for each of its experts
//   experts [b, s, k]        1 0 1 2          in order of expert:   0: b d   1: a c   2: d ..
//                            2 1 0 1 ..       rows of one expert are gathered, multiplied by its matrix and put back
//
// Work is stated by slots, whose dims are those of tokens: the order of experts exists inside of the loops (grouped-loop.ts) alone.
// How many rows an expert has changes the products' sizes, not their sum: nothing is padded. Slots of expert -1 are left out.
import { elements, expectShape, type NdArray, type Op, type TensorShape, type Value } from '../program/program.ts';
import { apply } from '../program/trace.ts';
import {
  type Filled,
  type Gradient,
  inOf,
  outerSumLoop,
  outOf,
  type Product,
  productLoop,
  type Rows,
  rowsAre,
} from './grouped-loop.ts';
import { float, lastDim, ndarray } from './shapes.ts';

const labelsOf = (rows: Rows, features: string): string =>
  rows === 'tokens' ? `b s ${features}` : `b s k ${features}`;
/** Those that are multiplied. */
const slotsOf = ({ shape }: TensorShape, { filled }: Filled): number => filled ?? elements(shape);
const printed = (shapes: readonly TensorShape[]) => shapes.map(({ shape }) => `[${shape}]`).join(', ');

function expectRows(experts: TensorShape, ...rows: TensorShape[]): void {
  const tokens = experts.shape.slice(0, 2);
  const fits = ({ shape }: TensorShape) =>
    [tokens, experts.shape].some((leading) => leading.join() === shape.slice(0, -1).join());
  expectShape(
    experts.dtype === 'int' && experts.shape.length === 3 && rows.every(fits),
    `needs experts [b, s, k] of type int and features of tokens [b, s, n] or of slots [b, s, k, n], got ${experts.dtype} ${printed([experts, ...rows])}`,
  );
}

const groupedLinearOp: Op<Product> = {
  name: 'groupedLinear',
  shape: ([x, experts, w], { order, into }) => {
    expectRows(experts!, x!);
    expectShape(
      w!.shape.length === 3 && lastDim(x!.shape) === inOf(w!, order),
      `x has ${lastDim(x!.shape)} features, and the experts' weights are [${w!.shape}] (experts, ${order})`,
    );
    const leading = into === 'tokens' ? experts!.shape.slice(0, 2) : experts!.shape;
    return [float([...leading, outOf(w!, order)])];
  },
  typing: ([x], { order, into }) => ({
    dims: `${labelsOf(rowsAre(x!), 'i')}, b s k, e! ${order === 'out,in' ? 'o i' : 'i o'} -> ${labelsOf(into, 'o')}`,
    linear: [0, 2],
  }),
  flops: ([, experts, w], attrs) => 2 * slotsOf(experts!, attrs) * w!.shape[1]! * w!.shape[2]!,
  kernel: ([, experts, w], attrs) => ({
    kind: 'grouped',
    groups: w!.shape[0]!,
    rows: slotsOf(experts!, attrs),
    n: outOf(w!, attrs.order),
    k: inOf(w!, attrs.order),
  }),
  vjp: ({ node, gradients: [g] }) => {
    const [x, experts, w] = node.inputs as [Value, Value, Value];
    const { order, into: _, ...filled } = node.attrs;
    const back: Product = { order: order === 'out,in' ? 'in,out' : 'out,in', into: rowsAre(x), ...filled };
    const outer: Gradient = { experts: w.shape[0]!, ...filled };
    const [first, second] = order === 'out,in' ? [g!, x] : [x, g!];
    return [
      apply(groupedLinearOp, [g!, experts, w], back)[0],
      undefined,
      apply(groupedOuterSumOp, [first, second, experts], outer)[0],
    ];
  },
  rowsOf: 1,
  execution: { by: 'blocks', ...productLoop },
  reference: ([x, experts, w], { order, into }) => {
    const [inputs, outputs] = [inOf(ofArray(w!), order), outOf(ofArray(w!), order)];
    const perToken = lastDim(experts!.shape);
    const rowOf = rowsOfReference(x!, perToken);
    const leading = into === 'tokens' ? experts!.shape.slice(0, 2) : experts!.shape;
    const y = ndarray([...leading, outputs], () => 0);
    for (const [slot, expert] of experts!.data.entries())
      for (let o = 0; o < outputs && expert >= 0; o++) {
        const at = (into === 'tokens' ? Math.floor(slot / perToken) : slot) * outputs + o;
        for (let i = 0; i < inputs; i++) {
          const weight = order === 'out,in' ? o * inputs + i : i * outputs + o;
          y.data[at]! += x!.data[rowOf(slot) * inputs + i]! * w!.data[expert * inputs * outputs + weight]!;
        }
      }
    return [y];
  },
};

const groupedOuterSumOp: Op<Gradient> = {
  name: 'groupedOuterSum',
  shape: ([a, b, slots], { experts }) => {
    expectRows(slots!, a!, b!);
    return [float([experts, lastDim(a!.shape), lastDim(b!.shape)])];
  },
  typing: ([a, b]) => ({
    dims: `${labelsOf(rowsAre(a!), 'm')}, ${labelsOf(rowsAre(b!), 'n')}, b s k -> e m n`,
    linear: [0, 1],
  }),
  accumulates: 3,
  flops: ([a, b, slots], attrs) => 2 * slotsOf(slots!, attrs) * lastDim(a!.shape) * lastDim(b!.shape),
  kernel: ([a, b, slots], attrs) => ({
    kind: 'grouped',
    groups: attrs.experts,
    rows: slotsOf(slots!, attrs),
    n: lastDim(b!.shape),
    k: lastDim(a!.shape),
    weights: true,
  }),
  execution: { by: 'blocks', ...outerSumLoop },
  reference: ([a, b, slots], { experts }) => {
    const perToken = lastDim(slots!.shape);
    const [m, n] = [lastDim(a!.shape), lastDim(b!.shape)];
    const [rowOfA, rowOfB] = [rowsOfReference(a!, perToken), rowsOfReference(b!, perToken)];
    const sum = ndarray([experts, m, n], () => 0);
    for (const [slot, expert] of slots!.data.entries())
      for (let i = 0; i < m && expert >= 0; i++)
        for (let j = 0; j < n; j++)
          sum.data[(expert * m + i) * n + j]! += a!.data[rowOfA(slot) * m + i]! * b!.data[rowOfB(slot) * n + j]!;
    return [sum];
  },
};

const ofArray = ({ shape }: NdArray): TensorShape => float(shape);
const rowsOfReference =
  ({ shape }: NdArray, perToken: number) =>
  (slot: number): number =>
    shape.length === 3 ? Math.floor(slot / perToken) : slot;

/**
 * x [b, s, in] or [b, s, k, in] times the weights [experts, out, in] of each slot's expert -> [b, s, k, out], or the sums of tokens
 * [b, s, out]. Slots of expert -1 give zeros, whatever their row of x holds; where there are such, `filled` is how many others.
 */
export function groupedLinear(x: Value, experts: Value, w: Value, into: Rows, filled: Filled = {}): Value {
  const attrs: Product = { order: 'out,in', into, ...filled };
  return apply(groupedLinearOp, [x, experts, w], attrs)[0]!;
}

export const groupedOps = { groupedLinearOp, groupedOuterSumOp };
