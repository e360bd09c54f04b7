// Attention that writes its scores to memory and reads them again: products in batches, and a softmax between them, as before FlashAttention.
import type { KernelShape } from '../../program/kernel-shape.ts';

type Attention = Extract<KernelShape, { readonly kind: 'attention' }>;

/** Numbers of all heads' scores, masked ones too. */
export const writtenScores = ({ batch, heads, queries, keys }: Attention): number => batch * heads * queries * keys;

/**
 * Megatron's fused softmax is made for so many keys, and for sequences and heads that are together a multiple of four; PyTorch's own ops do
 * what others have: in fp32, scaling, masking, softmax and rounding one by one.
 */
const isFused = ({ batch, heads, keys }: Attention): boolean => keys <= 4096 && (batch * heads) % 4 === 0;

/**
 * What is done in place of one kernel. A fused softmax (scaled and masked) reads scores that are not masked and writes all weights; dropout reads
 * those, and writes them and a mask of a byte. Backward the products are four, and each gradient of scores is made from two operands;
 * `anew`: what forward did is done once more before.
 */
export function scoreKernels(attention: Attention, dropout: boolean, anew: boolean): KernelShape[] {
  const { pass, batch, heads, headDim, valueDim, queries, keys } = attention;
  const all = writtenScores(attention);
  const seen = attention.scores / (queries * keys);
  const fused = isFused(attention);
  const product = (m: number, n: number, k: number): KernelShape => ({
    kind: 'matmul',
    batch: batch * heads,
    m,
    n,
    k,
  });
  const through = (times: number, masks: number): KernelShape => ({
    kind: 'memory',
    floats: times * all,
    bytes: masks * all,
  });
  const mask: KernelShape = { kind: 'memory', floats: 0, bytes: 2 * queries * keys };
  const maskMade = [mask, mask, mask];
  const forward = [
    product(queries, keys, headDim),
    ...(fused
      ? [through(1 + seen, 0)]
      : [...maskMade, through(1, 4), through(0, 8), through(0, 8), through(0, 8), through(1, 4)]),
    ...(dropout ? [through(2, 1)] : []),
    product(queries, valueDim, keys),
  ];
  if (pass === 'forward') return forward;
  return [
    ...(anew ? forward : []),
    product(queries, keys, valueDim),
    product(keys, valueDim, queries),
    ...(dropout ? [through(2, 1)] : []),
    ...(fused
      ? [through(1 + 2 * seen, 0)]
      : [through(1, 4), through(0, 12), through(0, 8), through(0, 8), through(1, 4)]),
    product(queries, headDim, keys),
    product(keys, headDim, queries),
  ];
}
