// Plays products that are grouped by expert on this rank's memory: for every expert its rows are gathered, block by block, multiplied and put back.
// A slot of expert -1 is of none: it is multiplied by nothing, adds nothing, and its row of a result is zero.
import {
  type BlockLoop,
  elements,
  type Kernel,
  type Node,
  type Numbers,
  type Shape,
  type TensorShape,
  type Value,
  type View,
} from '../program/program.ts';
import type { WeightOrder } from './linear.ts';
import { lastDim } from './shapes.ts';

/** What rows belong to: a slot each, or the token that its slots share. */
export type Rows = 'slots' | 'tokens';

/** How many slots have an expert, for FLOPs to be foretold; undefined: all. Which do is known only when it runs. */
export interface Filled {
  readonly filled?: number;
}

export interface Product extends Filled {
  /** How an expert's matrix is stored. */
  readonly order: WeightOrder;
  /** Whether a token's products are added up. */
  readonly into: Rows;
}

export interface Gradient extends Filled {
  readonly experts: number;
}

/** Rows that are gathered for one product: enough that reading a matrix is little beside multiplying by it. */
const rowsOfBlock = 512;

export const rowsAre = ({ shape }: TensorShape): Rows => (shape.length === 3 ? 'tokens' : 'slots');
export const inOf = (w: TensorShape, order: WeightOrder) => w.shape[order === 'out,in' ? 2 : 1]!;
export const outOf = (w: TensorShape, order: WeightOrder) => w.shape[order === 'out,in' ? 1 : 2]!;

/** Operands: features, experts, weights. */
export const productLoop: BlockLoop<Product> = {
  fleeting: true,
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
    else clearEmpty(experts!, outputs, y!);
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

const outerSumKernel = (m: number, n: number, before: boolean): Kernel => ({
  name: `groupedOuterSum ${m} x ${n}${before ? ' after others' : ''}`,
  inputs: [matrix('a', 'rows', m), matrix('b', 'rows', n), ...(before ? [matrix('sum', m, n)] : [])],
  outputs: [matrix('sum', m, n)],
  write: (onnx, { a, b, sum }) => [
    onnx.gemm(a!, b!, { m, k: 'rows', n }, { transposed: 'a', ...(sum === undefined ? {} : { add: sum }) }),
  ],
});
const sizesOfSum = ({ inputs: [a, b] }: Node) => [lastDim(a!.shape), lastDim(b!.shape)] as const;

/** Operands: both features, experts, and what the sums are added to, if anything. */
export const outerSumLoop: BlockLoop<Gradient> = {
  fleeting: true,
  kernels: (_, node) => ({
    first: outerSumKernel(...sizesOfSum(node), false),
    more: outerSumKernel(...sizesOfSum(node), true),
  }),
  play: ({ inputs: [a, b, experts, accumulator], outputs: [sum], scratch }, run, attrs, node) => {
    const [m, n] = sizesOfSum(node);
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
  scratchElements: (_, node) => largestOf(node, 2).rows! * sizesOfSum(node).reduce((total, size) => total + size),
  largest: (_, node) => largestOf(node, 2),
};

const matrix = (name: string, rows: string | number, columns: number) => ({ name, shape: [rows, columns] });

/** Rows of a block: an expert has a token at most once. */
function largestOf({ inputs }: Node, experts: number): { rows: number } {
  const [batch, length] = inputs[experts]!.shape as [number, number];
  return { rows: Math.min(rowsOfBlock, batch * length) };
}

/** Makes the rows of slots of no expert zero. */
function clearEmpty(experts: Numbers, width: number, rows: Numbers): void {
  for (let slot = 0; slot < experts.length; slot++)
    if (experts[slot]! < 0) rows.fill(0, slot * width, (slot + 1) * width);
}

/** Calls `visit` with every expert's slots, in order, so many at once at most. */
function eachBlock(
  experts: Numbers,
  count: number,
  most: number,
  visit: (expert: number, slots: Int32Array) => void,
): void {
  const starts = new Int32Array(count + 1);
  for (let slot = 0; slot < experts.length; slot++) if (experts[slot]! >= 0) starts[experts[slot]! + 1]! += 1;
  for (let expert = 0; expert < count; expert++) starts[expert + 1]! += starts[expert]!;
  const sorted = new Int32Array(starts[count]!);
  const next = starts.slice();
  for (let slot = 0; slot < experts.length; slot++) if (experts[slot]! >= 0) sorted[next[experts[slot]!]!++] = slot;
  for (let expert = 0; expert < count; expert++) {
    const end = starts[expert + 1]!;
    for (let from = starts[expert]!; from < end; from += most)
      visit(expert, sorted.subarray(from, Math.min(from + most, end)));
  }
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
  for (let place = 0; place < slots.length; place++) {
    const row = rows === 'tokens' ? Math.floor(slots[place]! / perToken) : slots[place]!;
    // A fifth of the time that a loop over the numbers takes (rows of 128 in f32).
    of.set(from.subarray(row * width, (row + 1) * width), offset + place * width);
  }
}

/** Tokens' rows are added to. */
function scatter({ of, offset, shape }: View, rows: Rows, perToken: number, slots: Int32Array, to: Numbers): void {
  const width = shape[1]!;
  for (let place = 0; place < slots.length; place++) {
    const start = offset + place * width;
    if (rows === 'slots') {
      to.set(of.subarray(start, start + width), slots[place]! * width);
    } else {
      const token = Math.floor(slots[place]! / perToken) * width;
      for (let i = 0; i < width; i++) to[token + i]! += of[start + i]!;
    }
  }
}

/** The matrix of one expert. */
const partOf = (of: Numbers, [, ...matrixShape]: Shape, expert: number): View => ({
  of,
  offset: expert * elements(matrixShape),
  shape: matrixShape,
});
