// What a step of training is: the model, its layout, the shape of the batch and the precision.
import type { Layout } from '../mesh/layout.ts';
import { type Coords, replicasOf } from '../mesh/mesh.ts';
import type { ModelConfig } from '../model/config.ts';
import type { TraceSettings } from '../model/parts.ts';
import type { PreferenceSettings } from '../model/preference.ts';
import { plainRouter, type RouterSettings } from '../model/router.ts';
import type { Precision } from '../program/onnx-builder.ts';

/**
 * Replicas (the ranks of dp) take steps of their own; after every so many a step of all moves what they last agreed on (DiLoCo, Douillard
 * et al., 2023): SGD with Nesterov momentum, whose gradient is how far the replicas have come away from it, on average.
 */
export interface OuterSettings {
  readonly every: number;
  readonly learningRate: number;
  readonly momentum: number;
}

export interface StepSettings {
  readonly config: ModelConfig;
  readonly layout: Layout;
  readonly seqLen: number;
  /** Sequences of a microbatch on one data-parallel rank. */
  readonly microBatch: number;
  /** Microbatches of a step on each replica; with `shares` on that which has most. */
  readonly microbatches: number;
  /** Microbatches of each replica, where they are not alike. */
  readonly shares?: readonly number[];
  /** How fast each rank computes, the fastest being 1; undefined: all alike. Documents that are balanced are dealt out by it. */
  readonly speeds?: readonly number[];
  readonly precision: Precision;
  /** Undefined: gradients are summed over the replicas at every step. */
  readonly outer?: OuterSettings;
  /**
   * Sequences hold several documents, which see nothing of each other; undefined: every sequence is one. They are dealt out by their
   * number of tokens, or by what their attention costs (see balance.ts), by which steps are then made, too (alike-steps.ts).
   */
  readonly packed?: 'by-count' | 'balanced';
  /** The loss is of pairs of documents; undefined: of tokens. Its sequences are packed. */
  readonly preference?: PreferenceSettings;
  /** Of mixtures of experts: how their routers are trained; undefined: by the loss of tokens alone. */
  readonly router?: RouterSettings;
  /**
   * Of programs that are planned, not run: room for the rows of experts that come when tokens go to them evenly, as devices have that make room
   * when they know how many; undefined: for as many as can come.
   */
  readonly expertRoom?: 'even';
  /** Queries and keys of a block of attention; undefined: as many as stay near a core. It changes results by rounding only. */
  readonly attentionBlock?: number;
  /** Tokens of a block of the loss; undefined: as many as stay near a core. It changes results by rounding only. */
  readonly lossBlock?: number;
}

type Batch = Pick<StepSettings, 'layout' | 'microBatch' | 'microbatches' | 'shares'>;

/** Microbatches of a step on one replica. */
export const microbatchesOn = (
  { microbatches, shares }: Omit<Batch, 'layout' | 'microBatch'>,
  replica: number,
): number => shares?.[replica] ?? microbatches;

/** Sequences of a step on each replica. */
export const replicaSequences = (batch: Batch): number[] =>
  Array.from({ length: replicasOf(batch.layout) }, (_, replica) => batch.microBatch * microbatchesOn(batch, replica));

/** Of all replicas. */
export const sequencesPerStep = (batch: Batch): number => replicaSequences(batch).reduce((sum, each) => sum + each, 0);

/** Tokens that one step of all ranks trains on. */
export const tokensPerStep = (settings: StepSettings): number => settings.seqLen * sequencesPerStep(settings);

/** The same for any replica: without what sets replicas apart. */
export function alikeReplicas<S extends Pick<StepSettings, 'shares' | 'speeds'>>(settings: S) {
  const { shares: _, speeds: __, ...alike } = settings;
  return alike;
}

/** Whether the replicas meet at the end of a step (counted from 1). */
export const synchronisesAt = ({ outer }: Pick<StepSettings, 'outer'>, step: number): boolean =>
  outer !== undefined && step % outer.every === 0;

/** How often they meet in so many steps. */
export const synchronisations = ({ outer }: Pick<StepSettings, 'outer'>, firstStep: number, steps: number): number =>
  outer ? Math.floor((firstStep - 1 + steps) / outer.every) - Math.floor((firstStep - 1) / outer.every) : 0;

/**
 * What the programs of a step are typed on. Between synchronisations a replica is a model of its own: its programs know no dp axis, so
 * none of them can take for the same what replicas hold each for itself, nor talk over dp.
 */
export function ownMesh(
  { layout, outer }: StepSettings,
  coords: Coords,
): { readonly layout: Layout; readonly coords: Coords } {
  return outer ? { layout: { ...layout, dp: 1 }, coords: { ...coords, dp: 0 } } : { layout, coords };
}

/** What a rank's programs depend on. */
export const traceSettings = (settings: StepSettings, coords: Coords): TraceSettings => ({
  config: settings.config,
  layout: settings.layout,
  coords,
  batch: settings.microBatch,
  seqLen: settings.seqLen / settings.layout.cp,
  ...(settings.attentionBlock === undefined ? {} : { attentionBlock: settings.attentionBlock }),
  ...(settings.config.mixture
    ? {
        router: {
          ...(settings.router ?? plainRouter),
          seqLen: settings.seqLen,
          sequences: tokensPerStep(settings) / settings.seqLen,
          ...(settings.expertRoom ? { room: settings.expertRoom } : {}),
        },
      }
    : {}),
});
