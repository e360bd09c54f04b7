// What a prediction of training is asked, and what it answers.
import type { Layout } from '../../mesh/layout.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { RouterSettings } from '../../model/router.ts';
import type { Cluster } from '../hardware/cluster.ts';
import { formatBytes, type NumberFormat } from '../hardware/number-format.ts';
import type { Widths } from '../summary/summary.ts';
import type { Offload } from './offload.ts';
import type { Routing } from './routing.ts';

/** Formats by role; `master`: what the optimizer works on, where that is not the parameters themselves. */
export interface TrainingFormats {
  readonly products: NumberFormat;
  readonly activations: NumberFormat;
  readonly parameters: NumberFormat;
  readonly gradients: NumberFormat;
  readonly moments: NumberFormat;
  readonly master?: NumberFormat;
}

/** Products in this format, and what is customary beside it: 16-bit parameters and activations, all that is summed up in fp32. */
export function mixedPrecision(products: NumberFormat): TrainingFormats {
  if (products === 'fp32' || products === 'tf32' || products === 'fp64') {
    const all = products === 'tf32' ? 'fp32' : products;
    return { products, activations: all, parameters: all, gradients: all, moments: all };
  }
  const narrow = products === 'fp16' ? 'fp16' : 'bf16';
  return {
    products,
    activations: narrow,
    parameters: narrow,
    gradients: 'fp32',
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

/** What frameworks do in different ways, whatever the layout. */
export interface Software {
  /** Gradients are reduced while the last microbatch's backward runs. */
  readonly overlapsGradients: boolean;
  /** Parameters are gathered while the first microbatch's forward runs. */
  readonly overlapsParameters: boolean;
  /** Tensor-parallel collectives run beside the products they belong to, piece by piece. */
  readonly overlapsTensor: boolean;
  /** Messages between stages are under way while both ends compute. */
  readonly overlapsPipeline: boolean;
  /** Exchanges of experts run beside other work. */
  readonly overlapsExperts: boolean;
  /** A ring's next keys are on their way while attention sees those before them. */
  readonly overlapsRing: boolean;
  /** A token that several experts of a node want is sent there once (DeepEP). */
  readonly sendsOnce: boolean;
  /** How attention is done: its scores written and read, never held (FlashAttention 2), or that with kernels made for the device. */
  readonly attention: 'scores' | 'flash-2' | 'tuned';
  /** Elementwise ops that follow one another are one kernel. */
  readonly fuses: boolean;
  /** The optimizer goes once through all that it reads and writes. */
  readonly fusedOptimizer: boolean;
  /**
   * How kernels are launched: by an interpreter op by op, by one that waits for each to end (CUDA_LAUNCH_BLOCKING), by a compiled
   * program, all at once (CUDA graphs), or by nobody, as on a core.
   */
  readonly launches: 'interpreted' | 'awaited' | 'compiled' | 'captured' | 'none';
  /** With sequence parallelism: what is gathered before products is not kept for their gradients but gathered again (Megatron). */
  readonly gathersAgain: boolean;
  /** Gradients of weights are made in 16 bits, and kernels of their own add them to sums: not the products that make them. */
  readonly addsApart: boolean;
  /** What ZeRO shares out is gathered tensor by tensor, not by block (DeepSpeed of 2021). */
  readonly gathersTensors: boolean;
  /**
   * How parameters that ranks have updated with ZeRO 1 come to the others: by one gather; gathered, then copied into place part by part of
   * every tensor (Nanotron's all_gather_coalesced); or broadcast by each rank, which has whole tensors (InternEvo's broadcast_params).
   */
  readonly updated: 'gathered' | 'copied' | 'broadcast';
  /**
   * How the loss is taken of a microbatch's logits: op by op in fp32; in fp32, each op in the place of the one before; by one kernel
   * that widens no more than it works on; or over blocks of tokens, so that no logits of a whole microbatch are held.
   */
  readonly loss: 'separate' | 'in place' | 'fused' | 'blocks';
  /** What `recompute=selective` keeps: all products, or one of two (TorchTitan). */
  readonly selects: 'products' | 'every second product';
  /** Dropout after attention, in attention and after the MLP. */
  readonly dropout: boolean;
  /** Memory is laid out before the first step: no allocator, no workspaces, and room for as many rows of experts as can come. */
  readonly plansMemory: boolean;
}

/** Of a tuned stack of today. */
export const currentSoftware: Software = {
  overlapsGradients: true,
  overlapsParameters: true,
  overlapsTensor: true,
  overlapsPipeline: true,
  overlapsExperts: false,
  overlapsRing: true,
  sendsOnce: true,
  attention: 'tuned',
  fuses: true,
  fusedOptimizer: true,
  launches: 'compiled',
  gathersAgain: true,
  addsApart: false,
  gathersTensors: false,
  updated: 'gathered',
  loss: 'in place',
  selects: 'products',
  dropout: false,
  plansMemory: false,
};

/** Of this project's own runtime: a rank does one thing after another, each as its program says. */
export const ownRuntime: Software = {
  overlapsGradients: false,
  overlapsParameters: false,
  overlapsTensor: false,
  overlapsPipeline: false,
  overlapsExperts: false,
  overlapsRing: false,
  sendsOnce: false,
  attention: 'tuned',
  fuses: true,
  fusedOptimizer: false,
  launches: 'none',
  gathersAgain: false,
  addsApart: false,
  gathersTensors: false,
  updated: 'gathered',
  loss: 'blocks',
  selects: 'products',
  dropout: false,
  plansMemory: true,
};

/** What runs there: on a machine that was measured, what it was measured with. */
export const softwareOn = ({ device }: Cluster): Software => (device.measured ? ownRuntime : currentSoftware);

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
