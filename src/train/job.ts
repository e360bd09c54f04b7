// What the launcher tells a rank to train, and what the rank reports: plain data that cross a thread or a network.

import type { Manifest } from '../checkpoint/index-file.ts';
import type { WeightsType } from '../checkpoint/plan.ts';
import type { TokenSource } from '../data/source.ts';
import type { WritingJob } from '../generate/job.ts';
import type { TrafficCounters } from '../mesh/traffic.ts';
import type { TraceSpan } from '../runtime/perfetto.ts';
import type { StepSettings } from '../step/settings.ts';
import type { Evaluation } from './evaluate.ts';
import type { OptimizerSettings } from './optimizer.ts';
import type { RankSnapshot } from './snapshot.ts';

export interface TrainJob {
  readonly settings: StepSettings;
  readonly optimizer: OptimizerSettings;
  readonly seed: number;
  readonly sources: readonly TokenSource[];
  /** Of the sequences, kept from training: see `openSequences`. */
  readonly heldOut: number;
  /** Steps done before this run; it goes on with the next. */
  readonly stepsDone: number;
  /** The step after which the run ends. */
  readonly lastStep: number;
  /** Weights to start from instead of initial ones. */
  readonly weights?: string;
  /** See `identityOf`: all ranks read the same checkpoint, or none. */
  readonly weightsIdentity?: string;
  /** Whether optimizer state is read from there too. */
  readonly resume: boolean;
  readonly save?: {
    readonly out: string;
    /** The token of the run's claim to `out`. */
    readonly claim: string;
    /** How many checkpoints stay; undefined: the newest, and what was kept before. */
    readonly keepLast?: number;
    /** The type of the saved weights; undefined: the run's precision. */
    readonly weightsType?: WeightsType;
    /** Also after every so many steps; 0: only at the end. */
    readonly every: number;
    /** The text of config.json. */
    readonly config: string;
    readonly tokenizerPath?: string;
    /** Saved with the checkpoint, with `step` added. */
    readonly manifest: Manifest;
  };
  /** By rank; undefined: every checkpoint is written while the ranks wait. */
  readonly snapshots?: readonly RankSnapshot[];
  /** Of dpo. */
  readonly reference?: Reference;
  /** Measures the loss on held-out sequences after every so many steps, and after the last. */
  readonly evaluation?: Evaluation & { readonly every: number };
  /** Writes a sample of text after every so many steps, and after the last. */
  readonly sample?: WritingJob & { readonly every: number };
  /** Measures the machine's matrix rate before the first step. */
  readonly measuresRate: boolean;
  readonly trace: boolean;
}

/** The frozen reference of preference optimization: see reference.ts. */
export interface Reference {
  /** Its file. */
  readonly path: string;
  /** The file of the run gone on with, where it is another. */
  readonly copyFrom?: string;
  /** Whether it is computed first. */
  readonly isNew: boolean;
  readonly pairs: number;
  /** What it was computed from; strings for whoever reads the file. */
  readonly notes: Readonly<Record<string, string>>;
}

/** After every step; `loss` and `gradNorm` (before clipping) are those of the whole step, the same on every rank. */
export interface StepReport {
  readonly kind: 'step';
  readonly step: number;
  readonly loss: number;
  readonly gradNorm: number;
  /** Of dpo `preferenceFigures`, of mixtures `routingFigures`, by name. */
  readonly figures?: Figures;
  readonly learningRate: number;
  readonly seconds: number;
  /** Of `seconds`, inside collectives and messages, waiting included. */
  readonly communicationSeconds: number;
}

/** Numbers that an objective tells besides its loss. */
export type Figures = Readonly<Record<string, number>>;

/** The mean loss of the held-out tokens, in nats, or of the held-out pairs. */
export interface EvaluationReport {
  readonly kind: 'evaluation';
  readonly step: number;
  readonly loss: number;
  readonly figures?: Figures;
}

/** Text that goes on from the run's prompt. */
export interface SampleReport {
  readonly kind: 'sample';
  readonly step: number;
  readonly text: string;
}

/** The ranks are started again. */
export interface RestartReport {
  readonly kind: 'restart';
  /** The rank that was lost; undefined: none was, they waited for one another. */
  readonly rank?: number;
  /** Why. */
  readonly problem: string;
  /** The last step of the checkpoint from which the run goes on; 0: there is none, it begins anew. */
  readonly step: number;
  /** What the run goes on in. */
  readonly layout: string;
  /** The lost rank is given up: the layout has fewer. */
  readonly givenUp: boolean;
  /** Restarts that are left. */
  readonly left: number;
}

export type TrainReport =
  | StepReport
  | RestartReport
  | {
      readonly kind: 'ready';
      readonly setupSeconds: number;
      /** FLOP/s of this rank's matrix products while all ranks do them. */
      readonly matrixFlopsPerSecond?: number;
    }
  /** How many passes over all pairs have been made for the reference. */
  | { readonly kind: 'reference'; readonly done: number; readonly passes: number }
  | EvaluationReport
  | SampleReport
  | { readonly kind: 'saved'; readonly step: number; readonly out: string }
  /** Of every rank: its copy of what the step left is there to be written. */
  | { readonly kind: 'copied'; readonly step: number }
  /** Once at most: a step's checkpoint is due and the one before it is still being written. */
  | { readonly kind: 'saveWaits'; readonly step: number }
  | { readonly kind: 'spans'; readonly spans: readonly TraceSpan[] };

/** What a rank returns. */
export interface RankResult {
  readonly counters: TrafficCounters;
  /** Matrix-multiply FLOPs executed. */
  readonly flops: number;
  /** Bytes of all buffers, counted as they were allocated: nothing is allocated while steps run. */
  readonly peakBytes: number;
  readonly communicationSeconds: number;
  readonly computeSeconds: number;
  /** The step whose loss or gradient norm is not a number, after which all ranks stopped. */
  readonly diverged?: { readonly step: number; readonly loss: number; readonly gradNorm: number };
}
