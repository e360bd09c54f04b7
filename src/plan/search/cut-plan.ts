// What a way to cut layers into stages makes of each stage: known once for all grids of as many stages.
import { layerLike, type ModelConfig } from '../../model/config.ts';
import type { PartName } from '../../model/params.ts';
import { once } from '../../step/once.ts';
import type { Pipe } from './space.ts';
import { type Cut, placesOf } from './task.ts';

/** Layers [first, end), with the embedding before them and the head behind where they are at the ends. */
export interface ChunkRange {
  readonly first: number;
  readonly end: number;
  readonly isFirst: boolean;
  readonly isLast: boolean;
  /** Chunks with the same are alike. */
  readonly key: string | number;
}

/** Layers that are built alike are the first of them. */
export interface CountedName {
  readonly name: PartName;
  readonly layer: number;
  readonly count: number;
}

export interface StagePlan {
  readonly stage: number;
  /** Those of its chunks in the model. */
  readonly places: readonly number[];
  /** Its chunks, in their order. */
  readonly chunks: readonly ChunkRange[];
  /** Of all of them; the same object where they are alike. */
  readonly parts: readonly CountedName[];
}

export interface CutPlan {
  readonly cut: Cut;
  /** By virtual stage; those that are alike are the same object. */
  readonly chunks: readonly ChunkRange[];
  /** The stages that hold most: the embedding and the head are at the ends, and the first have most microbatches under way. */
  readonly fullest: readonly StagePlan[];
  /** Each of them. */
  readonly stage: (stage: number) => StagePlan;
  /** Layers of the stage that has most over those of the one that has least, where all layers are alike; otherwise any number. */
  readonly unevenness: number;
}

/** Of these ways to cut layers into stages. */
export function cutPlans(config: ModelConfig, pipe: Pipe, cuts: readonly Cut[]): CutPlan[] {
  const { pp } = pipe;
  const like = Array.from({ length: config.layers }, (_, layer) => layerLike(config, layer));
  const areAlike = like.every((layer) => layer === 0);
  const letters = like.map((layer) => String.fromCharCode(0x61 + layer)).join('');
  const known = new Map<string | number, ChunkRange>();
  const lists = new Map<string, readonly CountedName[]>();
  const chunksOf = ({ sizes }: Cut): ChunkRange[] => {
    let first = 0;
    return sizes.map((size, at) => {
      const [isFirst, isLast, end] = [at === 0, at === sizes.length - 1, first + size];
      const ends = (isFirst ? 1 : 0) + (isLast ? 2 : 0);
      const key = areAlike ? 4 * size + ends : `${ends} ${letters.slice(first, end)}`;
      const chunk = known.get(key) ?? { first, end, isFirst, isLast, key };
      known.set(key, chunk);
      first = end;
      return chunk;
    });
  };
  const partsOf = (chunks: readonly ChunkRange[]): readonly CountedName[] => {
    const parts = new Map<string, { name: PartName; layer: number; count: number }>();
    const add = (name: PartName, layer: number, count: number): void => {
      const part = parts.get(`${name} ${layer}`) ?? { name, layer, count: 0 };
      part.count += count;
      parts.set(`${name} ${layer}`, part);
    };
    for (const { first, end, isFirst, isLast } of chunks) {
      if (isFirst) add('embedding', 0, 1);
      if (isLast) add('head', 0, 1);
      if (areAlike) add('block', 0, end - first);
      else for (let layer = first; layer < end; layer++) add('block', like[layer]!, 1);
    }
    const all = [...parts.values()].sort((a, b) => (a.name === b.name ? a.layer - b.layer : a.name < b.name ? -1 : 1));
    const key = all.map(({ name, layer, count }) => `${name} ${layer} ${count}`).join();
    const list = lists.get(key) ?? all;
    lists.set(key, list);
    return list;
  };
  const last = pipe.isBothWays ? pp / 2 - 1 : pp - 1;
  const fullest = [...new Set([0, Math.min(1, last), last])];
  return cuts.map((cut) => {
    const chunks = chunksOf(cut);
    const layers = Array.from({ length: pp }, () => 0);
    for (const [at, size] of cut.sizes.entries()) layers[at % pp]! += size;
    const stageOf = once((stage: number): StagePlan => {
      const places = placesOf(pipe, stage, chunks.length);
      const own = places.map((place) => chunks[place]!);
      return { stage, places, chunks: own, parts: partsOf(own) };
    });
    return {
      cut,
      chunks,
      unevenness: areAlike ? Math.max(...layers) / Math.min(...layers) : Number.POSITIVE_INFINITY,
      fullest: fullest.map((stage) => stageOf(stage)),
      stage: stageOf,
    };
  });
}
