// Chooses a layout for one machine: as many ranks as it has cores, by data first, then tensor, then pipeline parallelism.
import { availableParallelism } from 'node:os';
import { FivefoldError } from '../errors.ts';
import { type Layout, oneRank } from '../mesh/layout.ts';
import { replicasOf, worldSize } from '../mesh/mesh.ts';
import type { ModelConfig } from '../model/config.ts';
import { checkFit, divisors, largestBatch } from '../model/fit.ts';
import { fitsTraining } from '../plan/machine.ts';
import type { Precision } from '../program/onnx-builder.ts';
import { availableMemory } from '../runtime/available-memory.ts';
import type { StepSettings } from '../step/settings.ts';

export interface AutoLayoutOptions {
  readonly config: ModelConfig;
  readonly seqLen: number;
  readonly globalBatch: number;
  /** `defaultMicroBatch` when not given. */
  readonly microBatch?: number;
  readonly precision: Precision;
  /** What an objective and replicas that take steps of their own change of a step's settings. */
  readonly ofStep?: Partial<StepSettings>;
  /** Ranks are never more. */
  readonly cores: number;
  /** What the whole run may take. */
  readonly memoryBytes: number;
}

/** Sequences worked on at a time when nobody says how many. */
const largestMicroBatch = 4;

/**
 * A microbatch as large as divides a rank's share, up to 4 sequences; a pipeline needs several microbatches to keep its stages
 * busy, so there it is at most a (4 · stages)-th of the share. A global batch that the replicas do not divide, or
 * beyond all bounds, gives 1 (and is refused later).
 */
export function defaultMicroBatch(globalBatch: number, layout: Layout): number {
  const { pp } = layout;
  const share = globalBatch / replicasOf(layout);
  if (!Number.isInteger(share) || globalBatch > largestBatch) return 1;
  const most = pp > 1 ? Math.max(1, Math.floor(share / (4 * pp))) : largestMicroBatch;
  return divisors(share).findLast((size) => size <= Math.min(most, largestMicroBatch)) ?? 1;
}

/**
 * The layout with the most ranks that divides the model and the batch and that fits in memory (as `train` checks it); of those with
 * equally many, the one with the largest dp, then tp. Replicas that memory cannot hold share their moments out (zero=1); where each
 * still holds too much of the model, it is split by tp instead. Only if no layout fits, blocks are computed anew (recompute=full).
 * When nothing fits in memory, one rank: that is refused by `train`, which says what would fit.
 */
export function autoLayout(options: AutoLayoutOptions): Layout {
  const dividing = grids(options.cores)
    .filter((layout) => divides(layout, options))
    .flatMap((layout): Layout[] =>
      layout.dp > 1 && !options.ofStep?.outer ? [layout, { ...layout, zero: 1 }] : [layout],
    );
  const recomputing = dividing.map((layout): Layout => ({ ...layout, recompute: { policy: 'full' } }));
  return [...dividing, ...recomputing].find((layout) => fitsMemory(layout, options)) ?? oneRank;
}

/** {@link autoLayout} for the cores and the memory of this machine. */
export const machineLayout = (options: Omit<AutoLayoutOptions, 'cores' | 'memoryBytes'>): Layout =>
  autoLayout({ ...options, cores: availableParallelism(), memoryBytes: availableMemory() });

/** Every grid of at most so many ranks, the most wanted first. */
export function grids(cores: number): Layout[] {
  const found: Layout[] = [];
  for (let dp = 1; dp <= cores; dp++)
    for (let tp = 1; dp * tp <= cores; tp++)
      for (let pp = 1; dp * tp * pp <= cores; pp++) found.push({ ...oneRank, dp, tp, pp });
  return found.sort((a, b) => worldSize(b) - worldSize(a) || b.dp - a.dp || b.tp - a.tp);
}

function divides(layout: Layout, { config, seqLen, globalBatch, microBatch }: AutoLayoutOptions): boolean {
  try {
    checkFit(config, layout, { seqLen, globalBatch, microBatch: microBatch ?? defaultMicroBatch(globalBatch, layout) });
    return true;
  } catch (error) {
    if (error instanceof FivefoldError) return false;
    throw error;
  }
}

function fitsMemory(layout: Layout, options: AutoLayoutOptions): boolean {
  const { config, seqLen, globalBatch, precision, memoryBytes } = options;
  const microBatch = options.microBatch ?? defaultMicroBatch(globalBatch, layout);
  const settings = {
    config,
    layout,
    seqLen,
    microBatch,
    microbatches: globalBatch / replicasOf(layout) / microBatch,
    precision,
    ...options.ofStep,
  };
  return fitsTraining(settings, memoryBytes);
}
