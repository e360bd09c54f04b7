// Matrix products of tokens with the weights of their own experts, and the sums of outer products that are those weights' gradients.
//
//   tokens [b, s, in]        a b c d          slots [b, s, k, in], k = 2: each token once for each of its experts
//   experts [b, s, k]        1 0 1 2          in order of expert:   0: b d   1: a c   2: d ..
//                            2 1 0 1 ..       rows of one expert are gathered, multiplied by its matrix and put back
//
// Work is stated by slots, whose dims are those of tokens: the order of experts exists inside of the loops only, and is cut by nobody.
// How many rows an expert has changes the products' sizes, not their sum: nothing is padded, and nothing dropped.
import {
  type BlockLoop,
  elements,
  expectShape,
  type Kernel,
  type NdArray,
  type Node,
  type Numbers,
  type Op,
  type Shape,
  type TensorShape,
  type Value,
  type View,
} from '../program/program.ts';
import { apply } from '../program/trace.ts';
import type { WeightOrder } from './linear.ts';
import { float, lastDim, ndarray } from './shapes.ts';

/** What rows belong to: a slot each, or the token that its slots share. */
type Rows = 'slots' | 'tokens';

interface Product {
  /** How an expert's matrix is stored. */
  readonly order: WeightOrder;
  /** Whether a token's products are added up. */
  readonly into: Rows;
}

interface Gradient {
  readonly experts: number;
}

/** Rows that are gathered for one product: enough that reading a matrix is little beside multiplying by it. */
const rowsOfBlock = 512;

const rowsAre = ({ shape }: TensorShape): Rows => (shape.length === 3 ? 'tokens' : 'slots');
const labelsOf = (rows: Rows, features: string): string =>
  rows === 'tokens' ? `b s ${features}` : `b s k ${features}`;
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

const inOf = (w: TensorShape, order: WeightOrder) => w.shape[order === 'out,in' ? 2 : 1]!;
const outOf = (w: TensorShape, order: WeightOrder) => w.shape[order === 'out,in' ? 1 : 2]!;

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
  flops: ([, experts, w]) => 2 * elements(experts!.shape) * w!.shape[1]! * w!.shape[2]!,
  vjp: ({ node, gradients: [g] }) => {
    const [x, experts, w] = node.inputs as [Value, Value, Value];
    const { order } = node.attrs;
    const back: Product = { order: order === 'out,in' ? 'in,out' : 'out,in', into: rowsAre(x) };
    const outer = { experts: w.shape[0]! };
    const [first, second] = order === 'out,in' ? [g!, x] : [x, g!];
    return [
      apply(groupedLinearOp, [g!, experts, w], back)[0],
      undefined,
      apply(groupedOuterSumOp, [first, second, experts], outer)[0],
    ];
  },
  execution: { by: 'blocks', ...productLoop() },
  reference: ([x, experts, w], { order, into }) => {
    const [inputs, outputs] = [inOf(ofArray(w!), order), outOf(ofArray(w!), order)];
    const perToken = lastDim(experts!.shape);
    const rowOf = rowsOfReference(x!, perToken);
    const leading = into === 'tokens' ? experts!.shape.slice(0, 2) : experts!.shape;
    const y = ndarray([...leading, outputs], () => 0);
    for (const [slot, expert] of experts!.data.entries())
      for (let o = 0; o < outputs; o++) {
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
  flops: ([a, b, slots]) => 2 * elements(slots!.shape) * lastDim(a!.shape) * lastDim(b!.shape),
  execution: { by: 'blocks', ...outerSumLoop() },
  reference: ([a, b, slots], { experts }) => {
    const perToken = lastDim(slots!.shape);
    const [m, n] = [lastDim(a!.shape), lastDim(b!.shape)];
    const [rowOfA, rowOfB] = [rowsOfReference(a!, perToken), rowsOfReference(b!, perToken)];
    const sum = ndarray([experts, m, n], () => 0);
    for (const [slot, expert] of slots!.data.entries())
      for (let i = 0; i < m; i++)
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

/** Operands: features, experts, weights. */
function productLoop(): BlockLoop<Product> {
  return {
    kernels: ({ order }, { inputs: [, , w] }) => {
      const [inputs, outputs] = [inOf(w!, order), outOf(w!, order)];
      const kernel: Kernel = {
        name: `groupedLinear ${inputs} -> ${outputs} ${order}`,
        inputs: [matrix('x', 'rows', inputs), matrix('w', ...(w!.shape.slice(1) as [number, number]))],
        outputs: [matrix('y', 'rows', outputs)],
        write: (onnx, { x, w: weights }) => [
          onnx.gemm(x!, weights!, { m: 'rows', k: inputs, n: outputs }, order === 'out,in' ? { transposed: 'b' } : {}),
        ],
      };
      return { product: kernel };
    },
    play: ({ inputs: [x, experts, w], outputs: [y], scratch }, run, { order, into }, node) => {
      const [features, slots, weights] = node.inputs as [Value, Value, Value];
      const [width, outputs] = [inOf(weights, order), outOf(weights, order)];
      const { rows } = largestOf(node, 1);
      const perToken = lastDim(slots.shape);
      const [gathered, made] = [
        { of: scratch, offset: 0 },
        { of: scratch, offset: rows! * width },
      ];
      if (into === 'tokens') y!.fill(0);
      eachBlock(experts!, weights.shape[0]!, rows!, (expert, block) => {
        gather(x!, rowsAre(features), perToken, width, block, gathered);
        const result = { ...made, shape: [block.length, outputs] };
        run('product', [{ ...gathered, shape: [block.length, width] }, partOf(w!, weights.shape, expert)], [result]);
        scatter(result, into, perToken, block, y!);
      });
    },
    scratchElements: (_, node) => largestOf(node, 1).rows! * (node.inputs[2]!.shape[1]! + node.inputs[2]!.shape[2]!),
    largest: (_, node) => largestOf(node, 1),
  };
}

/** Operands: both features, experts, and what the sums are added to, if anything. */
function outerSumLoop(): BlockLoop<Gradient> {
  const kernelOf = (m: number, n: number, before: boolean): Kernel => ({
    name: `groupedOuterSum ${m} x ${n}${before ? ' after others' : ''}`,
    inputs: [matrix('a', 'rows', m), matrix('b', 'rows', n), ...(before ? [matrix('sum', m, n)] : [])],
    outputs: [matrix('sum', m, n)],
    write: (onnx, { a, b, sum }) => [
      onnx.gemm(a!, b!, { m, k: 'rows', n }, { transposed: 'a', ...(sum === undefined ? {} : { add: sum }) }),
    ],
  });
  const sizes = ({ inputs: [a, b] }: Node) => [lastDim(a!.shape), lastDim(b!.shape)] as const;
  return {
    kernels: (_, node) => ({ first: kernelOf(...sizes(node), false), more: kernelOf(...sizes(node), true) }),
    play: ({ inputs: [a, b, experts, accumulator], outputs: [sum], scratch }, run, attrs, node) => {
      const [m, n] = sizes(node);
      const [ofA, ofB, slots] = node.inputs as [Value, Value, Value];
      const { rows } = largestOf(node, 2);
      const perToken = lastDim(slots.shape);
      const [first, second] = [
        { of: scratch, offset: 0 },
        { of: scratch, offset: rows! * m },
      ];
      const { shape } = node.outputs[0]!;
      const written = new Set<number>();
      eachBlock(experts!, attrs.experts, rows!, (expert, block) => {
        gather(a!, rowsAre(ofA), perToken, m, block, first);
        gather(b!, rowsAre(ofB), perToken, n, block, second);
        const own = partOf(sum!, shape, expert);
        const adds = accumulator !== undefined || written.has(expert);
        const operands = [
          { ...first, shape: [block.length, m] },
          { ...second, shape: [block.length, n] },
        ];
        run(adds ? 'more' : 'first', adds ? [...operands, own] : operands, [own]);
        written.add(expert);
      });
      if (accumulator) return;
      for (let expert = 0; expert < attrs.experts; expert++)
        if (!written.has(expert)) sum!.fill(0, expert * m * n, (expert + 1) * m * n);
    },
    scratchElements: (_, node) => largestOf(node, 2).rows! * sizes(node).reduce((total, size) => total + size),
    largest: (_, node) => largestOf(node, 2),
  };
}

const matrix = (name: string, rows: string | number, columns: number) => ({ name, shape: [rows, columns] });

/** Rows of a block: an expert has a token at most once. */
function largestOf({ inputs }: Node, experts: number): { rows: number } {
  const [batch, length] = inputs[experts]!.shape as [number, number];
  return { rows: Math.min(rowsOfBlock, batch * length) };
}

/** Calls `visit` with every expert's slots, in order, so many at once at most. */
function eachBlock(
  experts: Numbers,
  count: number,
  most: number,
  visit: (expert: number, slots: Int32Array) => void,
): void {
  const ends = new Int32Array(count);
  for (const expert of experts) ends[expert]! += 1;
  for (let expert = 1; expert < count; expert++) ends[expert]! += ends[expert - 1]!;
  const starts = ends.map((_, expert) => (expert === 0 ? 0 : ends[expert - 1]!));
  const sorted = new Int32Array(experts.length);
  const next = starts.slice();
  for (const [slot, expert] of experts.entries()) sorted[next[expert]!++] = slot;
  for (let expert = 0; expert < count; expert++)
    for (let from = starts[expert]!; from < ends[expert]!; from += most)
      visit(expert, sorted.subarray(from, Math.min(from + most, ends[expert]!)));
}

type Place = Omit<View, 'shape'>;

function gather(
  from: Numbers,
  rows: Rows,
  perToken: number,
  width: number,
  slots: Int32Array,
  { of, offset }: Place,
): void {
  for (const [place, slot] of slots.entries()) {
    const row = rows === 'tokens' ? Math.floor(slot / perToken) : slot;
    of.set(from.subarray(row * width, (row + 1) * width), offset + place * width);
  }
}

function scatter({ of, offset, shape }: View, rows: Rows, perToken: number, slots: Int32Array, to: Numbers): void {
  const width = shape[1]!;
  for (const [place, slot] of slots.entries()) {
    const start = offset + place * width;
    if (rows === 'slots') {
      to.set(of.subarray(start, start + width), slot * width);
      continue;
    }
    const token = Math.floor(slot / perToken) * width;
    for (let i = 0; i < width; i++) to[token + i]! += of[start + i]!;
  }
}

/** The matrix of one expert. */
const partOf = (of: Numbers, [, ...matrixShape]: Shape, expert: number): View => ({
  of,
  offset: expert * elements(matrixShape),
  shape: matrixShape,
});

/** x [b, s, in] or [b, s, k, in] times the weights [experts, out, in] of each slot's expert -> [b, s, k, out], or the sums of tokens [b, s, out]. */
export function groupedLinear(x: Value, experts: Value, w: Value, into: Rows): Value {
  const attrs: Product = { order: 'out,in', into };
  return apply(groupedLinearOp, [x, experts, w], attrs)[0]!;
}

export const groupedOps = { groupedLinearOp, groupedOuterSumOp };
