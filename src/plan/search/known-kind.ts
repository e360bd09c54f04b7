// What the chunks of a stage compute, say and hold of a microbatch, by tracing their parts: the same summaries and seconds that a prediction has.
import type { ModelConfig } from '../../model/config.ts';
import { layerLike } from '../../model/config.ts';
import type { Part } from '../../model/params.ts';
import type { WorkKind } from '../../schedule/schedule.ts';
import { chunkSummary, partSummary } from '../summary/part-summary.ts';
import type { ChunkSummary, CountedPart, LiveProfile } from '../summary/summary.ts';
import { type CostModel, trainingCosts } from '../training/costs.ts';
import { heldBesides } from '../training/held-besides.ts';
import { stepSettings } from '../training/predict-training.ts';
import { allSeconds, runSeconds } from '../training/run-seconds.ts';
import { widthsOf } from '../training/scenario.ts';
import { type Kind, kindLayout, type SearchTask } from './task.ts';

/** Of one microbatch. */
export interface Chunk {
  /** All of it, what other work does not hide of its talk included. */
  readonly seconds: (work: WorkKind) => number;
  /** Of kernels alone. */
  readonly computeSeconds: (work: WorkKind) => number;
  /** Bytes of activations. */
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

export function knowKind(task: SearchTask, kind: Kind, model: CostModel): KnownKind {
  const { config, software } = task;
  const scenario = { ...task, layout: kindLayout(kind), microBatch: kind.microBatch, microbatches: 1 };
  const settings = stepSettings(scenario);
  const costs = trainingCosts(scenario, model);
  const widths = widthsOf(task.formats);
  const chunks = new Map<string, Chunk>();

  const secondsOf = (summary: ChunkSummary): Chunk => {
    const known = new Map<WorkKind, ReturnType<typeof runSeconds>>();
    const of = (work: WorkKind) => {
      const found = known.get(work) ?? runSeconds(summary[work], costs, software);
      known.set(work, found);
      return found;
    };
    return {
      seconds: (work) => allSeconds(of(work)),
      computeSeconds: (work) => of(work).compute,
      live(work) {
        const { peak, net } = summary[work].live;
        const besides = heldBesides(scenario, summary)(work);
        return { peak: peak + besides.peak, net: net + besides.net };
      },
    };
  };
  const summaryOf = (parts: readonly Part[]): ChunkSummary => {
    const runs: { part: CountedPart['part']; count: number }[] = [];
    for (const part of parts) {
      const summary = partSummary(part, settings, widths);
      const last = runs.at(-1);
      if (last?.part === summary) last.count += 1;
      else runs.push({ part: summary, count: 1 });
    }
    return chunkSummary(config, runs);
  };
  return {
    chunk(range) {
      const key = chunkKey(config, range);
      const found = chunks.get(key) ?? secondsOf(summaryOf(partsOf(range)));
      chunks.set(key, found);
      return found;
    },
  };
}

const partsOf = ({ first, end, isFirst, isLast }: ChunkRange): Part[] => [
  ...(isFirst ? [{ name: 'embedding', layer: 0 } as const] : []),
  ...Array.from({ length: end - first }, (_, i): Part => ({ name: 'block', layer: first + i })),
  ...(isLast ? [{ name: 'head', layer: 0 } as const] : []),
];

/** Chunks with the same are alike. */
function chunkKey(config: ModelConfig, { first, end, isFirst, isLast }: ChunkRange): string {
  const kinds = likenesses(config);
  const layers = kinds === undefined ? `${end - first}` : kinds.slice(first, end);
  return `${isFirst ? 'e' : ''}${layers}${isLast ? 'h' : ''}`;
}

/** A letter a layer, the same for those that are built alike; undefined: all are. */
function likenesses(config: ModelConfig): string | undefined {
  const found = known.get(config);
  if (found) return found.kinds;
  const like = Array.from({ length: config.layers }, (_, layer) => layerLike(config, layer));
  const kinds = like.every((layer) => layer === 0) ? undefined : like.map((layer) => (layer === 0 ? 'a' : 'b')).join('');
  known.set(config, { kinds });
  return kinds;
}

const known = new WeakMap<ModelConfig, { readonly kinds: string | undefined }>();
