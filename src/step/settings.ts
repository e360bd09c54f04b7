// What a step of training is: the model, its layout, the shape of the batch and the precision.
import type { Layout } from '../mesh/layout.ts';
import type { ModelConfig } from '../model/config.ts';
import type { Precision } from '../program/onnx-builder.ts';

export interface StepSettings {
  readonly config: ModelConfig;
  readonly layout: Layout;
  readonly seqLen: number;
  /** Sequences of a microbatch on one data-parallel rank. */
  readonly microBatch: number;
  /** Microbatches of a step. */
  readonly microbatches: number;
  readonly precision: Precision;
  /** Queries and keys of a block of attention; undefined: as many as stay near a core. It changes results by rounding only. */
  readonly attentionBlock?: number;
}

/** Tokens that one step of all ranks trains on. */
export const tokensPerStep = ({ layout, seqLen, microBatch, microbatches }: StepSettings): number =>
  seqLen * microBatch * microbatches * layout.dp;
