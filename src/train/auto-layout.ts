// Chooses a layout for one machine: as many ranks as it has cores, by data first, then tensor, then pipeline parallelism.
import { availableParallelism, totalmem } from 'node:os';
import { FivefoldError } from '../errors.ts';
import { type Layout, oneRank } from '../mesh/layout.ts';
import { worldSize } from '../mesh/mesh.ts';
import type { ModelConfig } from '../model/config.ts';
import { checkFit, divisors } from '../model/fit.ts';
import { predictRank } from '../plan/predict-step.ts';
import type { Precision } from '../program/onnx-builder.ts';
import { buildTrainingStep } from '../step/training-step.ts';

export interface AutoLayoutOptions {
  readonly config: ModelConfig;
  readonly seqLen: number;
  readonly globalBatch: number;
  /** `defaultMicroBatch` when not given. */
  readonly microBatch?: number;
  readonly precision: Precision;
  /** Ranks are never more. */
  readonly cores: number;
  /** For the buffers of all ranks together. */
  readonly memoryBytes: number;
}

/** Sequences worked on at a time when nobody says how many. */
const largestMicroBatch = 4;

/**
 * A microbatch as large as divides a rank's share, up to 4 sequences; a pipeline needs several microbatches to keep its stages
 * busy, so there it is at most a (4 · stages)-th of the share. A global batch that dp does not divide gives 1 (and is refused later).
 */
export function defaultMicroBatch(globalBatch: number, { dp, pp }: Layout): number {
  const share = globalBatch / dp;
  if (!Number.isInteger(share)) return 1;
  const most = pp > 1 ? Math.max(1, Math.floor(share / (4 * pp))) : largestMicroBatch;
  return divisors(share).findLast((size) => size <= Math.min(most, largestMicroBatch)) ?? 1;
}

/**
 * The layout with the most ranks that divides the model and the batch and whose buffers fit in memory; of those with equally many,
 * the one with the largest dp, then tp. Each replica holds the whole model, so a model too large for that is split by tp instead.
 * When nothing fits in memory, one rank: that is refused or swaps, but is the least that the model can take.
 */
export function autoLayout(options: AutoLayoutOptions): Layout {
  const { cores, memoryBytes } = options;
  return (
    candidates(cores).find((layout) => divides(layout, options) && bytesOf(layout, options) <= memoryBytes) ?? oneRank
  );
}

/** {@link autoLayout} for the cores and half of the memory of this machine. */
export const machineLayout = (options: Omit<AutoLayoutOptions, 'cores' | 'memoryBytes'>): Layout =>
  autoLayout({ ...options, cores: availableParallelism(), memoryBytes: totalmem() / 2 });

/** Every grid of at most so many ranks, the most wanted first. */
function candidates(cores: number): Layout[] {
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

/** Predicted bytes of all ranks. Replicas are alike, so those of one are counted dp times. */
function bytesOf(layout: Layout, { config, seqLen, globalBatch, microBatch, precision }: AutoLayoutOptions): number {
  const size = microBatch ?? defaultMicroBatch(globalBatch, layout);
  const microbatches = globalBatch / layout.dp / size;
  const settings = { config, layout, seqLen, microBatch: size, microbatches, precision };
  const stage = Array.from({ length: layout.pp }, (_, pp) => pp * layout.dp * layout.tp);
  const bytes = stage.map((rank) => predictRank(buildTrainingStep(settings, rank)).peakBytes);
  return bytes.reduce((sum, each) => sum + each * layout.dp * layout.tp, 0);
}
