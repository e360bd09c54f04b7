// What a search is asked: a model, a cluster and the batch of a step; and the scenario of one of its layouts.
import { type CpMode, type Layout, oneRank, type ScheduleName, type Zero } from '../../mesh/layout.ts';
import type { RecomputePolicy } from '../../mesh/recompute.ts';
import type { TrainingScenario } from '../training/scenario.ts';

export interface SearchTask extends Omit<TrainingScenario, 'layout' | 'microBatch' | 'microbatches'> {
  /** Sequences of a step. */
  readonly globalBatch: number;
}

/** What decides what a rank computes and says of a microbatch, unless it shares out parameters or gradients (ZeRO 2 and 3). */
export interface Kind {
  readonly tp: number;
  readonly sp: boolean;
  readonly cp: number;
  readonly cpMode: CpMode;
  readonly ep: number;
  readonly microBatch: number;
  readonly recompute: RecomputePolicy;
}

/** Over so many stages: dp and the microbatches of a replica follow from the devices and the batch. */
export interface Grid {
  readonly kind: Kind;
  readonly pp: number;
  readonly dp: number;
  readonly microbatches: number;
  /** Microbatches enter at both ends (DualPipe): of each stage there are two copies. */
  readonly isBothWays?: true;
}

/** Ranks that share out parameters that dp has alike. */
export const copiesOf = ({ dp, isBothWays }: Pick<Grid, 'dp' | 'isBothWays'>): number => (isBothWays ? 2 * dp : dp);

/** The embedding and the head are on different ranks. */
export const hasEndsApart = ({ pp, isBothWays }: Pick<Grid, 'pp' | 'isBothWays'>): boolean => pp > 1 && !isBothWays;

/**
 * As stages of one part of the model each would be with as much to do: where both ways are gone, a rank has two that lie opposite each other, and half of the
 * microbatches for each.
 */
export const foldedSize = ({ pp, microbatches, isBothWays }: Pick<Grid, 'pp' | 'microbatches' | 'isBothWays'>) =>
  isBothWays ? { stages: pp / 2, microbatches: microbatches / 2 } : { stages: pp, microbatches };

/** Of so many places in the model, those of a stage's chunks. */
export function placesOf({ pp, isBothWays }: Pick<Grid, 'pp' | 'isBothWays'>, stage: number, count: number): number[] {
  if (isBothWays) return [stage, pp - 1 - stage];
  const places: number[] = [];
  for (let place = stage; place < count; place += pp) places.push(place);
  return places;
}

/** Made by a rule. */
export type RuledSchedule = Exclude<ScheduleName, 'file'>;

/** How layers are cut into stages. */
export interface Cut {
  readonly virtual: number;
  /** Layers of each virtual stage. */
  readonly sizes: readonly number[];
  /** They are not those that a layout has by itself. */
  readonly isUneven: boolean;
}

/** What ZeRO shares out that changes what is said of a microbatch: 0 nothing (or moments alone), 2 gradients, 3 parameters too. */
export type Sharing = 0 | 2 | 3;

export const sharings: readonly Sharing[] = [0, 2, 3];

/** A grid that shares out so much. */
export interface SharedGrid extends Grid {
  readonly sharing: Sharing;
}

/** What a layout that does not fit gives up for room. */
export interface Ease {
  /** What the optimizer works on waits in the host's memory. */
  readonly optimizer: boolean;
  /** So few layers compute anew, or so little of activations is moved to the host, as it takes to fit. */
  readonly by?: Exclude<RecomputePolicy, 'none'> | 'activations';
}

/** In which order stages work, and what of the state is shared out. */
export interface Leaf {
  readonly grid: SharedGrid;
  readonly cut: Cut;
  readonly schedule: RuledSchedule;
  readonly zero: Zero;
  readonly ease?: Ease;
}

/** The layout of what is the same whatever the split: one replica of one stage. */
export const kindLayout = ({ tp, sp, cp, cpMode, ep, recompute }: Kind): Layout => ({
  ...oneRank,
  tp,
  sp,
  cp,
  cpMode,
  ep,
  recompute: { policy: recompute },
});

export const leafLayout = ({ grid, cut, schedule, zero }: Leaf): Layout => ({
  ...kindLayout(grid.kind),
  dp: grid.dp,
  pp: grid.pp,
  virtual: cut.virtual,
  schedule,
  zero,
  ...(cut.isUneven ? { stages: cut.sizes } : {}),
});

/** Of one that gives up nothing: `settle` of ease.ts has how much others do. */
export const leafScenario = (task: SearchTask, leaf: Leaf): TrainingScenario => {
  const { globalBatch: _, ...given } = task;
  const { kind, microbatches } = leaf.grid;
  return { ...given, layout: leafLayout(leaf), microBatch: kind.microBatch, microbatches };
};

/** The layout of its microbatches: in one order, and one chunk a stage. */
export const sharedLayout = ({ kind, dp, pp, sharing, isBothWays }: SharedGrid): Layout => ({
  ...kindLayout(kind),
  dp,
  pp,
  zero: sharing,
  ...(isBothWays ? { schedule: 'dualpipe' } : {}),
});
