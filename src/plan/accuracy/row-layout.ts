// The layout of a training row: its axes as the grid has them, its stages, and what backward passes compute anew.
import { type Layout, oneRank } from '../../mesh/layout.ts';
import type { Recompute } from '../../mesh/recompute.ts';
import type { ModelConfig } from '../../model/config.ts';
import { weightsOfToken } from '../../model/weights.ts';
import type { RecomputeFact, RowFacts } from './row-facts.ts';
import { numberIn, type Row } from './table.ts';

/** One layout, or the same with more and more computed anew where the row does not say how much. */
export interface RowLayouts {
  readonly layouts: readonly Layout[];
  readonly assumed: readonly string[];
}

/** @returns why there is none, where the row leaves it open or its axes do not make its devices */
export function layoutsOf(row: Row, facts: RowFacts, config: ModelConfig, devices: number): RowLayouts | string {
  const tp = numberIn(row, 'tp');
  const pp = numberIn(row, 'pp');
  if (tp === undefined || pp === undefined) return 'it does not say how it is laid out';
  const cp = numberIn(row, 'cp') ?? 1;
  const data = devices / (tp * pp * cp);
  const given = numberIn(row, 'dp') ?? data;
  if (given !== data)
    return `tp=${tp}, pp=${pp}, cp=${cp}, dp=${given} make ${tp * pp * cp * given} ranks, not ${devices}`;
  const assumed: string[] = [];
  const experts = expertRanks(numberIn(row, 'ep') ?? 1, data);
  if (experts.assumed) assumed.push(experts.assumed);
  const { ep } = experts;
  const virtual = virtualOf(row, facts, config.layers, pp);
  if (virtual.assumed) assumed.push(virtual.assumed);
  const stages = stagesOf(config, pp * virtual.chunks, facts);
  const layout: Layout = {
    ...oneRank,
    tp,
    pp,
    cp,
    ep,
    dp: data / ep,
    sp: tp > 1 && facts.sp,
    cpMode: cp > 1 ? facts.cpMode : oneRank.cpMode,
    // Between microbatches of a pipeline parameters are kept whole, and gradients scattered after the last.
    zero: data * cp === 1 ? 0 : facts.zero === 3 && pp > 1 ? 1 : facts.zero,
    schedule: pp > 1 ? facts.schedule : oneRank.schedule,
    virtual: virtual.chunks,
    ...(stages ? { stages } : {}),
  };
  const said = facts.recompute;
  if (said !== undefined) return { layouts: [{ ...layout, recompute: recomputeOf(said, config.layers) }], assumed };
  assumed.push('what is computed anew: as little as fits');
  return { layouts: moreAndMore(config.layers).map((recompute) => ({ ...layout, recompute })), assumed };
}

/** What can be computed anew, from nothing to all. */
const moreAndMore = (layers: number): readonly Recompute[] => [
  { policy: 'none' },
  { policy: 'selective' },
  ...[8, 4, 2].map((every): Recompute => ({ policy: 'full', layers: everyNth(layers, every) })),
  { policy: 'full' },
];

/**
 * Data ranks that share experts out. Rows count these ranks within dp; where they are more than dp has, the rest are of other
 * axes, whose ranks hold a part of every expert here in place of whole ones of theirs.
 */
function expertRanks(ep: number, data: number): { ep: number; assumed?: string } {
  if (data % ep === 0) return { ep };
  const among = greatestDivisor(ep, data);
  return { ep: among, assumed: `experts over ${among} ranks, and split over other axes, in place of ${ep}` };
}

const greatestDivisor = (a: number, b: number): number => (b === 0 ? a : greatestDivisor(b, a % b));

function virtualOf(row: Row, facts: RowFacts, layers: number, pp: number): { chunks: number; assumed?: string } {
  if (pp === 1) return { chunks: 1 };
  const text = row.vpp ?? '';
  const perChunk = /^(\d+) layers? per chunk/.exec(text);
  if (perChunk) return { chunks: Math.ceil(layers / (pp * Number(perChunk[1]))) };
  const said = Number(/(\d+)$/.exec(text)?.[1] ?? Number.NaN);
  const most = Math.max(1, Math.floor(layers / pp));
  if (said > most) return { chunks: most, assumed: `${most} chunks a stage in place of ${said}` };
  if (said >= 1) return { chunks: said };
  if (!facts.interleaved) return { chunks: 1 };
  const chunks = chunksNear(facts.usualChunks, layers / pp, most);
  return { chunks, assumed: `${chunks} chunks a stage` };
}

/** So many, or where a stage's layers do not divide by it the nearest number that they divide by, if there is one. */
function chunksNear(usual: number, layers: number, most: number): number {
  const numbers = Array.from({ length: most }, (_, i) => i + 1).filter((chunks) => chunks > 1 && layers % chunks === 0);
  const off = (chunks: number): number => Math.abs(chunks - usual);
  return numbers.reduce((best, each) => (off(each) < off(best) ? each : best), numbers[0] ?? Math.min(usual, most));
}

/**
 * Layers by stage where they are not as even as can be: the embedding and the head stand for a layer each, as is customary where
 * that makes stages alike.
 */
function stagesOf(config: ModelConfig, stages: number, facts: RowFacts): readonly number[] | undefined {
  const { layers } = config;
  if (facts.dealsWeights && stages > 1) return dealtStages(config, stages);
  const even = (layers + 2) / stages;
  const fits = Number.isInteger(even) && even > 1 && stages > 1;
  if (!fits || (layers % stages === 0 && !facts.countsEnds)) return undefined;
  return Array.from({ length: stages }, (_, stage) => even - (stage === 0 ? 1 : 0) - (stage === stages - 1 ? 1 : 0));
}

/** Undefined: one would have no layer. */
function dealtStages(config: ModelConfig, stages: number): readonly number[] | undefined {
  const all = weightsOfToken(config);
  const layer = (all - config.hiddenSize * config.vocabSize) / config.layers;
  const layersOf = Array<number>(stages).fill(0);
  let stage = 0;
  for (let dealt = 1; dealt <= config.layers; dealt++) {
    layersOf[stage]! += 1;
    if (stage < stages - 1 && dealt * layer > (all * (stage + 1)) / stages) stage += 1;
  }
  return layersOf.includes(0) ? undefined : layersOf;
}

function recomputeOf(fact: RecomputeFact, layers: number): Recompute {
  return fact === 'every second layer' ? { policy: 'full', layers: everyNth(layers, 2) } : { policy: fact };
}

const everyNth = (layers: number, every: number): readonly (readonly [number, number])[] =>
  Array.from({ length: Math.ceil(layers / every) }, (_, i) => [every * i, every * i] as const);
