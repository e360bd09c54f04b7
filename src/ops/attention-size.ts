// What an attention op is told, and the sizes it works on.
import type { TokenRange } from '../mesh/sequence.ts';
import type { TensorShape } from '../program/program.ts';

export interface AttentionAttrs {
  /** Scores are multiplied by it, usually 1 / √headDim. */
  readonly scale: number;
  /** A query sees itself and the `window - 1` positions before it; undefined: all before it. */
  readonly window?: number;
  /** Where the tokens stand that costs are stated for; undefined: from 0 on. */
  readonly stand?: { readonly queries: readonly TokenRange[]; readonly keys: readonly TokenRange[] };
  /** Queries and keys of a block; undefined: as many as stay near a core. It changes results by rounding only. */
  readonly block?: number;
}

export interface AttentionSize {
  readonly batch: number;
  readonly kvHeads: number;
  readonly queries: number;
  readonly keys: number;
  /** Query heads that share a key-value head. */
  readonly group: number;
  /** Features of queries and keys. */
  readonly headDim: number;
  /** Features of values. */
  readonly valueDim: number;
}

/** Of q [b, kvHeads, queries, group, headDim], k [b, kvHeads, keys, 1, headDim] and v [b, kvHeads, keys, 1, valueDim]. */
export function sizeOf(q: TensorShape, k: TensorShape, v = k): AttentionSize {
  const [batch, kvHeads, queries, group, headDim] = q.shape as [number, number, number, number, number];
  return { batch, kvHeads, queries, keys: k.shape[2]!, group, headDim, valueDim: v.shape[4]! };
}
