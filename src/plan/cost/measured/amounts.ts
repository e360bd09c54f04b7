// What the time of a kernel on a core is made of: so much of each of a few things, by its shape.
import type { KernelShape } from '../../../program/kernel-shape.ts';
import type { ProductName } from '../../hardware/measured-machine.ts';

/** Bytes of a number: machines are measured in f32. */
export const measuredBytes = 4;

type Product = Exclude<KernelShape, { readonly kind: 'memory' }>;

export function productName(kernel: Product): ProductName {
  switch (kernel.kind) {
    case 'matmul':
      return kernel.accumulates ? 'accumulated' : 'product';
    case 'grouped':
      return kernel.weights ? 'grouped weights' : 'grouped';
    case 'attention':
      return kernel.pass;
  }
}

/** Calls, multiply-adds, and numbers of each operand and of the result, which are packed, read and written; of attention, scores, rows and masks. */
export function productAmounts(kernel: Product): number[] {
  switch (kernel.kind) {
    case 'matmul': {
      const { batch, m, n, k } = kernel;
      return [1, batch * m * n * k, batch * m * k, batch * k * n, batch * m * n];
    }
    case 'grouped': {
      const { groups, rows, n, k } = kernel;
      return [groups, rows * n * k, rows * k, groups * n * k, rows * n];
    }
    case 'attention': {
      const { batch, heads, kvHeads, scores, headDim, valueDim, queries, keys } = kernel;
      const all = batch * heads * scores;
      const features = headDim + valueDim;
      return [
        batch * kvHeads,
        all * features,
        all,
        batch * heads * queries * features,
        batch * hidden(scores, queries * keys),
      ];
    }
  }
}

/**
 * Pairs of a query and a key that masks are made for, once for all heads (`hideKeys` of ops/attention-loop.ts): those of the tiles on the diagonal. Causal
 * attention sees half of all pairs, and computes so many more as lie behind the diagonal in those tiles; where all or just half of the pairs are computed,
 * there is no diagonal in them.
 */
const hidden = (scores: number, pairs: number): number => (scores < pairs ? Math.max(0, 2 * scores - pairs) : 0);

/** A call, and the bytes that it goes through. */
export const memoryAmounts = ({ floats, bytes }: Extract<KernelShape, { readonly kind: 'memory' }>): number[] => [
  1,
  floats * measuredBytes + bytes,
];
