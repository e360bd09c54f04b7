// Attention with grouped heads over tokens that say where they stand: the op, its gradient, their typing and cost.
// How it is cut into blocks is in attention-blocks.ts, what a block runs in attention-kernels.ts, the loop in attention-loop.ts.

import type { KernelShape } from '../program/kernel-shape.ts';
import type { Value } from '../program/program.ts';
import { expectShape, type Op, type TensorShape } from '../program/program.ts';
import { apply } from '../program/trace.ts';
import { cutIntoBlocks, type Places, scoresOf } from './attention-blocks.ts';
import { backwardLoop, forwardLoop } from './attention-loop.ts';
import { attentionGradReference, attentionReference } from './attention-reference.ts';
import { type AttentionAttrs, type AttentionSize, sizeOf } from './attention-size.ts';
import { scale } from './elementwise.ts';
import { headsFirst, headsLast } from './heads.ts';
import { finishAttention, type PartialAttention } from './partial-attention.ts';
import { rowProduct } from './rows.ts';
import { scoresInOrder } from './scores-in-order.ts';
import { float } from './shapes.ts';

/** Where tokens stand, [b, s] integers each: a query sees the keys of its own document at positions up to its own. */
export interface TokenPlaces {
  readonly positions: Value;
  readonly documents: Value;
}

const printed = (shapes: readonly TensorShape[]) => shapes.map(({ shape }) => `[${shape}]`).join(', ');

function expectOperands(inputs: readonly TensorShape[]): void {
  const [q, k, v, ...places] = inputs as [TensorShape, TensorShape, TensorShape, ...TensorShape[]];
  expectShape(q.shape.length === 5, `needs q [b, kvHeads, queries, group, headDim], got [${q.shape}]`);
  const { batch, kvHeads, queries, keys, headDim, valueDim } = sizeOf(q, k, v);
  for (const [each, features] of [
    [k, headDim],
    [v, valueDim],
  ] as const)
    expectShape(
      each.shape.join() === [batch, kvHeads, keys, 1, features].join(),
      `q [${q.shape}], k [${k.shape}] and v [${v.shape}] do not belong together; k is [b, kvHeads, keys, 1, headDim], v [b, kvHeads, keys, 1, valueDim]`,
    );
  const [own, others] = [`${[batch, queries]}`, `${[batch, keys]}`];
  expectShape(
    places.every(({ dtype }) => dtype === 'int') &&
      places.map(({ shape }) => `${shape}`).join() === `${[own, own, others, others]}`,
    `needs positions and documents of type int, of the queries [${own}] and of the keys [${others}], got ${printed(places)}`,
  );
}

const statistics = (q: TensorShape): TensorShape => float([...q.shape.slice(0, 4), 1]);

/** Scores of all heads and rows of the batch that are computed when the tokens of every row are one document. */
function scoresOfAll(q: TensorShape, k: TensorShape, attrs: AttentionAttrs): number {
  const { batch, kvHeads, queries, keys, group } = sizeOf(q, k);
  const size = `${queries} ${keys} ${group}`;
  let counted = countedFor.get(attrs);
  if (counted?.size !== size) {
    const stand = attrs.stand ?? { queries: [[0, queries]], keys: [[0, keys]] };
    counted = { size, scores: scoresInOrder(stand.queries, stand.keys, { ...attrs, group }) };
    countedFor.set(attrs, counted);
  }
  return batch * kvHeads * counted.scores;
}

/** Of long sequences they take long to count, and they are asked for again: an op and its gradient have the same attributes. */
const countedFor = new WeakMap<AttentionAttrs, { readonly size: string; readonly scores: number }>();

function attentionKernel(
  pass: 'forward' | 'backward',
  [q, k, v]: readonly [TensorShape, TensorShape, TensorShape],
  attrs: AttentionAttrs,
): KernelShape {
  const { batch, kvHeads, queries, keys, group, headDim, valueDim } = sizeOf(q, k, v);
  const heads = kvHeads * group;
  const scores = scoresOfAll(q, k, attrs) / batch / heads;
  return { kind: 'attention', pass, batch, heads, kvHeads, headDim, valueDim, queries, keys, scores };
}

const operandDims = 'b h s g! d!, b h~ t! 1 d!, b h~ t! 1 v!, b s, b s, b t!, b t!';
/** FLOPs of a score: one product over the features of keys and one over those of values; with the gradient three and two. */
const perScore = {
  forward: (headDim: number, valueDim: number) => 2 * (headDim + valueDim),
  backward: (headDim: number, valueDim: number) => 2 * (3 * headDim + 2 * valueDim),
} as const;

/**
 * q [b, kvHeads, queries, group, headDim], k [b, kvHeads, keys, 1, headDim], v [b, kvHeads, keys, 1, valueDim], positions and documents
 * of the queries and of the keys. Results: a {@link PartialAttention}, the sum [b, kvHeads, queries, group, valueDim] and the log-sum-exp of each query's
 * scores [.., 1]; 0 and {@link seesNothing} for a query that sees none of these keys. Their gradients are those that partial-attention.ts speaks of.
 */
const attentionOp: Op<AttentionAttrs> = {
  name: 'attention',
  shape: (inputs) => {
    expectOperands(inputs);
    const [q, , v] = inputs as [TensorShape, TensorShape, TensorShape];
    return [float([...q.shape.slice(0, 4), v.shape[4]!]), statistics(q)];
  },
  typing: { dims: `${operandDims} -> b h s g v, b h s g 1` },
  differentiable: [0, 1],
  flops: ([q, k, v], attrs) => perScore.forward(q!.shape[4]!, v!.shape[4]!) * scoresOfAll(q!, k!, attrs),
  kernel: ([q, k, v], attrs) => attentionKernel('forward', [q!, k!, v!], attrs),
  vjp: ({ node: { inputs, outputs, attrs }, gradients: [sum, logSumExp] }) => {
    const [out, lse] = outputs as [Value, Value];
    const dSum = sum ?? scale(out, 0);
    return apply(attentionGradOp, [...inputs, lse, dSum, logSumExp ?? scale(rowProduct(dSum, out), 0)], attrs);
  },
  execution: { by: 'blocks', ...forwardLoop },
  reference: attentionReference,
};

/**
 * Operands: those of forward, its log-sum-exp, the gradients of its results; results: the gradients of q, k, v. Recomputes the
 * probabilities.
 */
const attentionGradOp: Op<AttentionAttrs> = {
  name: 'attentionGrad',
  shape: ([q, k, v]) => [float(q!.shape), float(k!.shape), float(v!.shape)],
  typing: {
    dims: `${operandDims}, b h s g! 1, b h s g! v!, b h s g! 1 -> b h s g d, b h~ t 1 d, b h~ t 1 v`,
    linear: [[8, 9]],
  },
  flops: ([q, k, v], attrs) => perScore.backward(q!.shape[4]!, v!.shape[4]!) * scoresOfAll(q!, k!, attrs),
  kernel: ([q, k, v], attrs) => attentionKernel('backward', [q!, k!, v!], attrs),
  execution: { by: 'blocks', ...backwardLoop },
  reference: attentionGradReference,
};

/** Matrix-multiply FLOPs of attention over one row of a batch whose tokens stand as given, with its gradient or without. */
export function attentionFlops(
  { kvHeads, group, headDim, valueDim }: Pick<AttentionSize, 'kvHeads' | 'group' | 'headDim' | 'valueDim'>,
  attrs: AttentionAttrs,
  { queries, keys }: { readonly queries: Places; readonly keys: Places },
): { readonly forward: number; readonly backward: number } {
  const scores = kvHeads * scoresOf(cutIntoBlocks(queries, keys, { ...attrs, group }), group);
  return {
    forward: perScore.forward(headDim, valueDim) * scores,
    backward: perScore.backward(headDim, valueDim) * scores,
  };
}

/** Attention over some of the keys, on heads that come first; shapes as the op's. */
export function partialAttention(
  q: Value,
  k: Value,
  v: Value,
  { queries, keys }: { readonly queries: TokenPlaces; readonly keys: TokenPlaces },
  attrs: AttentionAttrs,
): PartialAttention {
  const places = [queries.positions, queries.documents, keys.positions, keys.documents];
  const [sum, logSumExp] = apply(attentionOp, [q, k, v, ...places], attrs);
  return { sum: sum!, logSumExp: logSumExp! };
}

/** q [b, queries, heads, headDim], k [b, keys, kvHeads, headDim] and v [b, keys, kvHeads, valueDim] -> [b, queries, heads, valueDim]. */
export function attention(
  q: Value,
  k: Value,
  v: Value,
  places: { readonly queries: TokenPlaces; readonly keys: TokenPlaces },
  attrs: AttentionAttrs,
): Value {
  const group = Math.max(1, Math.floor(q.shape[2]! / k.shape[2]!));
  const all = partialAttention(headsFirst(q, group), headsFirst(k, 1), headsFirst(v, 1), places, attrs);
  return headsLast(finishAttention(all));
}

export const attentionOps = { attentionOp, attentionGradOp };
