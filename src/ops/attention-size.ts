// What an attention op is told, and the sizes it works on.
import type { TensorShape } from '../program/program.ts';

export interface AttentionAttrs {
  /** Scores are multiplied by it, usually 1 / √headDim. */
  readonly scale: number;
  /** A query sees itself and the `window - 1` positions before it; undefined: all before it. */
  readonly window?: number;
  /** Queries in a strip and keys in a block; undefined: as many as stay near a core. */
  readonly block?: number;
}

export interface AttentionSize {
  readonly batch: number;
  readonly length: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

export function attentionSize(q: TensorShape, k: TensorShape): AttentionSize {
  const [batch, length, heads, headDim] = q.shape as [number, number, number, number];
  return { batch, length, heads, kvHeads: k.shape[2]!, headDim };
}
