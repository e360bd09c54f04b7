// What a prediction of training is asked, and what it answers.
import type { Layout } from '../../mesh/layout.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { RouterSettings } from '../../model/router.ts';
import type { Cluster } from '../hardware/cluster.ts';
import { formatBytes, type NumberFormat } from '../hardware/number-format.ts';
import { currentSoftware, type Software } from '../software/software.ts';
import type { Widths } from '../summary/summary.ts';
import type { Offload } from './offload.ts';
import type { Routing } from './routing.ts';

/** Formats by role; `master`: what the optimizer works on, where that is not the parameters themselves. */
export interface TrainingFormats {
  readonly products: NumberFormat;
  readonly activations: NumberFormat;
  /** Of queries, keys and values in attention's products; undefined: as activations. */
  readonly attention?: NumberFormat;
  readonly parameters: NumberFormat;
  readonly gradients: NumberFormat;
  readonly moments: NumberFormat;
  readonly master?: NumberFormat;
}

/** Products in this format, and what is customary beside it: 16-bit parameters and activations, all that is summed up in fp32 unless software has narrow gradients. */
export function mixedPrecision(
  products: NumberFormat,
  { narrowGradients, narrowAttention }: Pick<Software, 'narrowGradients' | 'narrowAttention'> = currentSoftware,
): TrainingFormats {
  if (products === 'fp32' || products === 'tf32' || products === 'fp64') {
    const all = products === 'tf32' ? 'fp32' : products;
    return { products, activations: all, parameters: all, gradients: all, moments: all };
  }
  const narrow = products === 'fp16' ? 'fp16' : 'bf16';
  return {
    products,
    activations: narrow,
    ...(narrowAttention ? { attention: products } : {}),
    parameters: narrow,
    gradients: narrowGradients ? narrow : 'fp32',
    moments: 'fp32',
    master: 'fp32',
  };
}

export const widthsOf = ({ activations, parameters, gradients, moments, master }: TrainingFormats): Widths => ({
  activations: formatBytes[activations],
  parameters: formatBytes[parameters],
  gradients: formatBytes[gradients],
  moments: formatBytes[moments],
  master: master === undefined ? 0 : formatBytes[master],
});

export interface TrainingScenario {
  readonly config: ModelConfig;
  readonly layout: Layout;
  readonly seqLen: number;
  /** Sequences of a microbatch on one replica. */
  readonly microBatch: number;
  /** Microbatches of a step on each replica. */
  readonly microbatches: number;
  readonly cluster: Cluster;
  readonly formats: TrainingFormats;
  readonly software: Software;
  /** Of a mixture's tokens to its experts; undefined: even. Memory is that of even routing. */
  readonly routing?: Routing;
  /** What waits in the host's memory; undefined: nothing. */
  readonly offload?: Offload;
  /** Of mixtures of experts: how their routers are trained; undefined: by the loss of tokens alone. */
  readonly router?: RouterSettings;
}

/** Seconds of a step by what they go to, on the stage that takes longest: they add up to the step. */
export interface StepTime {
  readonly compute: number;
  /** Waiting for the host, which launches kernels more slowly than the device runs them. */
  readonly launches: number;
  /** Talk that no compute hides, by axis; `dp` is gradients and parameters. */
  readonly tp: number;
  readonly cp: number;
  readonly ep: number;
  readonly dp: number;
  /** What messages between stages make longer. */
  readonly pp: number;
  /** Waiting for other stages' work. */
  readonly bubble: number;
  /** Copies to the host's memory and back that nothing hides; an optimizer there is `optimizer`. */
  readonly offload: number;
  readonly optimizer: number;
}

/** Bytes of a rank of the fullest stage. */
export interface TrainingMemory {
  readonly weights: number;
  readonly gradients: number;
  readonly optimizer: number;
  /** At the schedule's peak, the loss included. */
  readonly activations: number;
  /** Of communication, graphs, and what an allocator cannot use. */
  readonly buffers: number;
  readonly total: number;
}

export interface TrainingPrediction {
  readonly stepSeconds: number;
  readonly time: StepTime;
  readonly memory: TrainingMemory;
  /** By stage. */
  readonly memoryByStage: readonly TrainingMemory[];
  /** With offload, of the host's memory: bytes that a rank takes at most, and those that there are for each. */
  readonly host?: { readonly bytes: number; readonly room: number };
  readonly tokensPerSecondPerDevice: number;
  /** Model FLOPs (trainingFlopsPerToken of model/config.ts) a second. */
  readonly modelFlopsPerSecondPerDevice: number;
  /** Of the peak of the format that products are taken in. */
  readonly mfu: number;
}
