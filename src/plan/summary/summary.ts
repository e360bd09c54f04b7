// What a rank does and holds in a step, summed up by part of the model: what estimates are arithmetic on.

import type { GroupAxis } from '../../mesh/mesh.ts';
import type { RecomputePolicy } from '../../mesh/recompute.ts';
import type { CollectiveOp } from '../../mesh/traffic.ts';
import type { PartName } from '../../model/params.ts';
import type { KernelShape } from '../../program/kernel-shape.ts';
import type { WorkKind } from '../../schedule/schedule.ts';

export interface CountedKernel {
  readonly kernel: KernelShape;
  readonly count: number;
  /** Where in the model it first is, e.g. `attention`. */
  readonly site: string;
}

export interface CountedTalk {
  readonly axis: GroupAxis;
  readonly ranks: number;
  readonly call: CollectiveOp;
  /** Of one call, as `trafficBytes` takes them. */
  readonly bytes: number;
  readonly count: number;
  readonly site: string;
}

/** Bytes of activations alive while something runs, over those before it: at most, and when it is done. Sums of both are again one. */
export interface LiveProfile {
  readonly peak: number;
  readonly net: number;
}

/** One run of something: a phase of a part, of a chunk, or what a step does once. */
export interface RunSummary {
  readonly kernels: readonly CountedKernel[];
  readonly talk: readonly CountedTalk[];
  /** Matrix-multiply FLOPs. */
  readonly flops: number;
  readonly live: LiveProfile;
}

/** Bytes by role: numbers of the run's precision, or a GPU's mixed ones. */
export interface Widths {
  readonly activations: number;
  readonly parameters: number;
  /** In the state, where they are summed up. */
  readonly gradients: number;
  /** Of one moment. */
  readonly moments: number;
  /** Copies of parameters that the optimizer works on; 0: none but the parameters themselves. */
  readonly master: number;
}

export type { WorkKind };

/** One microbatch, by what is computed of it. */
export type WorkSummaries = Readonly<Record<WorkKind, RunSummary>>;

/** A part of the model: all that are built alike have the same object, so that what is made of it can be kept by it. */
export interface PartSummary extends WorkSummaries {
  readonly name: PartName;
  /** Of a block: the first that is built so. */
  readonly layer: number;
  readonly policy: RecomputePolicy;
}

/** Parts side by side that are alike. */
export interface CountedPart {
  readonly part: PartSummary;
  readonly count: number;
}

export interface ChunkSummary extends WorkSummaries {
  /** In the order of forward passes. */
  readonly parts: readonly CountedPart[];
}

/** Bytes that last from step to step. */
export interface StateBytes {
  readonly weights: number;
  readonly gradients: number;
  /** Moments and the copies that the optimizer works on. */
  readonly optimizer: number;
}

/** Bytes of tokens and scalars: of any step, and for each microbatch more. */
export interface OwnBytes {
  readonly step: number;
  readonly microbatch: number;
}

/** Of a rank that stands for all of its stage. */
export interface StageSummary {
  /** By chunk. */
  readonly chunks: readonly ChunkSummary[];
  /** What serves all microbatches: before them, and after. */
  readonly once: RunSummary;
  /** Bytes of one message to the next stage. */
  readonly sendBytes: number;
  readonly state: StateBytes;
  readonly own: OwnBytes;
}
