// The layout of a run that has to go on with fewer ranks than it had.
import { FivefoldError } from '../errors.ts';
import { type Layout, oneRank } from '../mesh/layout.ts';
import { replicasOf, worldSize } from '../mesh/mesh.ts';
import type { ModelConfig } from '../model/config.ts';
import { type BatchShape, checkFit, divisors } from '../model/fit.ts';
import { grids } from './auto-layout.ts';

export interface FewerRanks {
  readonly layout: Layout;
  readonly microBatch: number;
  readonly microbatches: number;
}

/**
 * A layout of at most `ranks` ranks that divides the model and the batch, the same one for the same arguments; undefined if there is
 * none, for no ranks. Replicas go first: as many as divide the batch stay, each split as it was; then experts are shared out over fewer.
 * Where there is but one, the model is split anew, over as many ranks as can be, without replicas if possible (they would hold more), by
 * tp before pp. `replicas`: that many places of dp, no fewer.
 */
export function layoutOnFewer(
  layout: Layout,
  ranks: number,
  { config, batch, replicas }: { readonly config: ModelConfig; readonly batch: BatchShape; readonly replicas?: number },
): FewerRanks | undefined {
  for (const tried of candidates(layout, ranks)) {
    if (replicas !== undefined && tried.dp !== replicas) continue;
    const found = fitted(tried, config, batch, layout);
    if (found) return found;
  }
  return undefined;
}

/** The most wanted first. */
function candidates(layout: Layout, ranks: number): Layout[] {
  const most = Math.min(layout.dp - 1, Math.floor((ranks * layout.dp) / worldSize(layout)));
  const fewerReplicas = Array.from({ length: Math.max(0, most) }, (_, gone) => ({ ...layout, dp: most - gone }));
  const splitAnew = grids(ranks)
    .filter(({ cp }) => cp === 1)
    .sort((a, b) => worldSize(b) - worldSize(a) || a.dp - b.dp || b.tp - a.tp);
  const ofExperts = divisors(layout.ep)
    .filter((ep) => ep < layout.ep && (worldSize(layout) / layout.ep) * ep <= ranks)
    .reverse();
  return [
    ...fewerReplicas,
    ...ofExperts.map((ep) => ({ ...layout, ep })),
    ...splitAnew.map(({ tp, pp, dp }): Layout => {
      const { stages: _, scheduleFile: __, ...rest } = layout;
      const kept = pp === layout.pp ? layout : { ...rest, virtual: 1 };
      return { ...kept, tp, cp: 1, cpMode: oneRank.cpMode, ep: 1, pp, dp, sp: layout.sp && tp > 1 };
    }),
  ];
}

function fitted(layout: Layout, config: ModelConfig, batch: BatchShape, before: Layout): FewerRanks | undefined {
  const share = batch.globalBatch / replicasOf(layout);
  // No larger than it was: it would need more memory.
  const microBatch = divisors(share).findLast((size) => size <= batch.microBatch) ?? 1;
  const microbatches = microbatchesOf(layout, config, { ...batch, microBatch });
  if (microbatches === undefined) return undefined;
  // A schedule out of a file is for its stages and its number of microbatches.
  const isForFile = layout.scheduleFile && replicasOf(layout) === replicasOf(before) && microBatch === batch.microBatch;
  if (layout.schedule !== 'file' || isForFile) return { layout, microBatch, microbatches };
  const { scheduleFile: _, ...rest } = layout;
  return { layout: { ...rest, schedule: oneRank.schedule }, microBatch, microbatches };
}

function microbatchesOf(layout: Layout, config: ModelConfig, batch: BatchShape): number | undefined {
  try {
    return checkFit(config, layout, batch);
  } catch (error) {
    if (error instanceof FivefoldError) return undefined;
    throw error;
  }
}
