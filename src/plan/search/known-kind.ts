// What the chunks of a stage compute, say and hold of a microbatch, by tracing their parts: the same summaries and seconds that a prediction has.
import { layerLike, type ModelConfig } from '../../model/config.ts';
import type { WorkKind } from '../../schedule/schedule.ts';
import { once } from '../../step/once.ts';
import { summariesFor } from '../summary/part-summary.ts';
import type { ChunkSummary, CountedPart, LiveProfile } from '../summary/summary.ts';
import { type CostModel, trainingCosts } from '../training/costs.ts';
import { liveOf } from '../training/held-besides.ts';
import { stepSettings } from '../training/predict-training.ts';
import { allSeconds, chunkSeconds } from '../training/run-seconds.ts';
import { widthsOf } from '../training/scenario.ts';
import { type SearchTask, type SharedGrid, sharedLayout } from './task.ts';

/** Seconds of one microbatch, what other work does not hide of its talk included; bytes of activations. */
export interface Chunk {
  readonly forward: number;
  readonly backward: number;
  readonly halves: { readonly inputGradient: number; readonly weightGradient: number };
  /** Of kernels alone. */
  readonly compute: { readonly forward: number; readonly backward: number };
  readonly live: (work: WorkKind) => LiveProfile;
}

/** Layers [first, end), with the embedding before them and the head behind where they are at the ends. */
export interface ChunkRange {
  readonly first: number;
  readonly end: number;
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

export interface KnownKind {
  readonly chunk: (range: ChunkRange) => Chunk;
}

export function knowKind(task: SearchTask, grid: SharedGrid, model: CostModel): KnownKind {
  const { config, software } = task;
  const scenario = {
    ...task,
    layout: sharedLayout(grid),
    microBatch: grid.kind.microBatch,
    microbatches: grid.microbatches,
  };
  const costs = trainingCosts(scenario, model);
  const { part: summaryOf, chunk: summaryOfChunk } = summariesFor(stepSettings(scenario), widthsOf(task.formats));
  const chunks = new Map<string | number, Chunk>();

  const chunkOf = (summary: ChunkSummary): Chunk => {
    const runOf = once((work: WorkKind) => chunkSeconds(summary, work, costs, software));
    return {
      forward: allSeconds(runOf('forward')),
      backward: allSeconds(runOf('backward')),
      get halves() {
        return {
          inputGradient: allSeconds(runOf('inputGradient')),
          weightGradient: allSeconds(runOf('weightGradient')),
        };
      },
      compute: { forward: runOf('forward').compute, backward: runOf('backward').compute },
      live: once(liveOf(scenario, summary)),
    };
  };
  const partsOf = ({ first, end, isFirst, isLast }: ChunkRange): CountedPart[] => {
    const runs: { part: CountedPart['part']; count: number }[] = [];
    if (isFirst) runs.push({ part: summaryOf('embedding', 0, 'none'), count: 1 });
    for (let layer = first; layer < end; layer++) {
      const part = summaryOf('block', layerLike(config, layer), grid.kind.recompute);
      const last = runs.at(-1);
      if (last && last.part === part) last.count += 1;
      else runs.push({ part, count: 1 });
    }
    if (isLast) runs.push({ part: summaryOf('head', 0, 'none'), count: 1 });
    return runs;
  };
  return {
    chunk(range) {
      const key = chunkKey(config, range);
      const found = chunks.get(key);
      if (found) return found;
      const made = chunkOf(summaryOfChunk(`search ${key}`, () => partsOf(range)));
      chunks.set(key, made);
      return made;
    },
  };
}

/** Chunks with the same are alike. */
function chunkKey(config: ModelConfig, { first, end, isFirst, isLast }: ChunkRange): string | number {
  const kinds = likenesses(config);
  const ends = (isFirst ? 1 : 0) + (isLast ? 2 : 0);
  return kinds === undefined ? 4 * (end - first) + ends : `${ends} ${kinds.slice(first, end)}`;
}

/** A letter a layer, the same for those that are built alike; undefined: all are. */
function likenesses(config: ModelConfig): string | undefined {
  const found = known.get(config);
  if (found) return found.kinds;
  const like = Array.from({ length: config.layers }, (_, layer) => layerLike(config, layer));
  const kinds = like.every((layer) => layer === 0)
    ? undefined
    : like.map((layer) => String.fromCharCode(0x61 + layer)).join('');
  known.set(config, { kinds });
  return kinds;
}

const known = new WeakMap<ModelConfig, { readonly kinds: string | undefined }>();
