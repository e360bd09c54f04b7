// What measurements say about kernels, by architecture: shares of a device's figures, so that they hold for all devices of one.
import type { NumberFormat } from '../hardware/number-format.ts';

/** Products of one format. */
export interface ProductParameters {
  /** Of the device's peak, with every multiprocessor at work on whole tiles. */
  readonly share: number;
  /** What a tile costs beside its products, as so much more depth (`k`): filling the pipeline, writing the result. */
  readonly rampDepth: number;
  /** Of the rate of one product, that of a product for each of many groups. */
  readonly groupedShare: number;
}

export interface KernelParameters {
  /** From one kernel's end to the next one's first product or byte, and its last byte to its end. */
  readonly launchSeconds: number;
  /** Of the memory's bandwidth. */
  readonly memoryShare: number;
  /** What multiprocessors together read from the cache, over the memory's bandwidth: small tiles are bound by it. */
  readonly cacheRatio: number;
  /** Of the shorter of work and memory traffic, the part that the longer does not hide. */
  readonly exposed: number;
  /** Of a last wave of tiles that is not full, the part that is waited for: 1 all, 0 none. */
  readonly tail: number;
  /** It copies tiles by itself, wherever their rows start: it has a tensor memory accelerator. */
  readonly copiesTiles: boolean;
  /** Of the device's peak, attention's products. */
  readonly attentionShare: number;
  /** Of the rate of that, products of a format of one byte. */
  readonly attentionNarrow: number;
  /** Queries of one of its tiles, of all heads that share keys; half or a quarter as many where there are no more. */
  readonly queryRows: number;
  /** What a score costs beside its products, its exponential most of all, in FLOPs of them. */
  readonly scoreFlops: number;
  /** What a tile of queries costs beside its keys, as so many more keys. */
  readonly rampKeys: number;
  /** Of attention, beside a launch: splitting keys and merging what was found over them. */
  readonly attentionSeconds: number;
  readonly products: Readonly<Record<'bf16' | 'fp8' | 'mxfp8' | 'nvfp4', ProductParameters>>;
}

/** Whose parameters products of a format have: those that were measured, the nearest of those that were not. */
export const measuredAs = {
  fp64: 'bf16',
  fp32: 'bf16',
  tf32: 'bf16',
  bf16: 'bf16',
  fp16: 'bf16',
  fp8: 'fp8',
  mxfp8: 'mxfp8',
  int8: 'fp8',
  nvfp4: 'nvfp4',
  mxfp4: 'nvfp4',
  int4: 'bf16',
} as const satisfies Record<NumberFormat, keyof KernelParameters['products']>;

/** Backward, attention takes 5 products where forward takes 2 (scores are computed anew). */
export const backwardFlops = 2.5;
/**
 * At such a share of the forward rate: FlashAttention-3 on H100, heads of 128, 16k tokens: 561 of 648 TFLOP/s (arXiv 2407.08608, figures 5
 * and 6); FlashAttention-2 on A100 at most 196 of 230 (arXiv 2307.08691); on B200 1,360 of 1,535 (Dao-AILab/flash-attention#2280).
 */
export const backwardShare = 0.87;
