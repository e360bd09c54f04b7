// The layouts of a search: all that divide the model, the batch and the devices, and that the runtime would run.
import { FivefoldError } from '../../errors.ts';
import { cpModes, largestAxis, oneRank, virtualLayers, type Zero } from '../../mesh/layout.ts';
import { recomputePolicies } from '../../mesh/recompute.ts';
import type { ModelConfig } from '../../model/config.ts';
import { checkFit, divisors } from '../../model/fit.ts';
import { mostMicrobatches } from '../../schedule/schedule.ts';
import { once } from '../../step/once.ts';
import {
  type Cut,
  type Grid,
  type Kind,
  kindLayout,
  type RuledSchedule,
  type SearchTask,
  type Sharing,
  sharings,
} from './task.ts';

/** Every grid that uses all devices. Grids of a kind have the same object, so that what is known of it is kept by it. */
export function gridsOf(task: SearchTask): Grid[] {
  const { config, cluster, globalBatch } = task;
  const grids: Grid[] = [];
  const divisorsOf = once(divisors);
  for (const shape of shapesOf(task)) {
    const { tp, cp, ep } = shape;
    const kinds = new Map<number, readonly Kind[]>();
    for (const pp of divisorsOf(cluster.devices / (tp * cp * ep))) {
      if (pp > config.layers || pp > largestAxis) break;
      const dp = cluster.devices / (tp * cp * ep * pp);
      const share = globalBatch / (dp * ep);
      if (!Number.isInteger(share) || dp > largestAxis) continue;
      for (const microBatch of divisorsOf(share)) {
        const microbatches = share / microBatch;
        if (microbatches > mostMicrobatches) continue;
        const ofSize =
          kinds.get(microBatch) ?? recomputePolicies.map((recompute) => ({ ...shape, microBatch, recompute }));
        kinds.set(microBatch, ofSize);
        for (const kind of ofSize) grids.push({ kind, pp, dp, microbatches });
      }
    }
  }
  return grids;
}

/** Every kind of them. */
export const kindsOf = (grids: readonly Grid[]): Kind[] => [...new Set(grids.map(({ kind }) => kind))];

/** In how many shares a batch may be dealt out, whatever it is. */
export function replicaCounts(task: SearchTask): number[] {
  const { config, cluster } = task;
  const counts = shapesOf(task).flatMap(({ tp, cp, ep }) =>
    divisors(cluster.devices / (tp * cp * ep)).flatMap((pp) =>
      pp <= config.layers ? [cluster.devices / (tp * cp * pp)] : [],
    ),
  );
  return [...new Set(counts)];
}

type Shape = Omit<Kind, 'microBatch' | 'recompute'>;

/** Ways to split what is inside of a layer. */
function shapesOf({ config, cluster, seqLen }: SearchTask): Shape[] {
  const { devices } = cluster;
  const within = (limit: number) => divisors(devices).filter((n) => n <= limit);
  const fits = (shape: Shape): boolean => {
    const kind: Kind = { ...shape, microBatch: 1, recompute: 'none' };
    return isFit(() => checkFit(config, kindLayout(kind), { seqLen, globalBatch: shape.ep, microBatch: 1 }));
  };
  const all: Shape[] = [];
  for (const tp of within(config.heads))
    for (const sp of tp > 1 ? [false, true] : [false])
      for (const cp of within(Math.min(seqLen, devices / tp)))
        for (const cpMode of cp > 1 ? cpModes : [oneRank.cpMode])
          for (const ep of config.mixture ? within(config.mixture.experts) : [1])
            if (Number.isInteger(devices / (tp * cp * ep))) all.push({ tp, sp, cp, cpMode, ep });
  return all.filter(fits);
}

function isFit(check: () => void): boolean {
  try {
    check();
    return true;
  } catch (error) {
    if (error instanceof FivefoldError) return false;
    throw error;
  }
}

/** Every way to cut layers into so many stages: any number of chunks a stage, evenly or with fewer layers at the ends. */
export function cutsOf({ layers }: Pick<ModelConfig, 'layers'>, pp: number): Cut[] {
  const chunks = pp === 1 ? 1 : Math.floor(layers / pp);
  return Array.from({ length: chunks }, (_, i) => i + 1).flatMap((virtual): Cut[] => {
    const even = virtualLayers({ ...oneRank, pp, virtual }, layers).map(([first, end]) => end - first);
    const light = lightEnds(layers, pp * virtual);
    return [
      { virtual, sizes: even, isUneven: false },
      ...(light === undefined || light.join() === even.join() ? [] : [{ virtual, sizes: light, isUneven: true }]),
    ];
  });
}

/** The embedding and the head are at the ends: a layer less there, the head's first, where that is all that layers are short of. */
function lightEnds(layers: number, count: number): number[] | undefined {
  const most = Math.ceil(layers / count);
  const short = most * count - layers;
  if (short === 0 || short > 2) return undefined;
  return Array.from({ length: count }, (_, at) => (at === count - 1 || (at === 0 && short === 2) ? most - 1 : most));
}

/** The orders in which so many stages of so many chunks can work. On one stage all of them do the same. */
export const schedulesOf = (pp: number, virtual: number): readonly RuledSchedule[] =>
  pp === 1 ? ['1f1b'] : virtual > 1 ? ['1f1b', 'gpipe'] : ['1f1b', 'zb-h1', 'gpipe'];

/** What can be shared out where there is anybody to share with. */
export const sharingsOf = ({ kind, dp }: Grid): readonly Sharing[] => (dp * kind.cp * kind.ep > 1 ? sharings : [0]);

/** ZeRO's levels of it. */
export const zerosOf = ({ kind, dp }: Grid, sharing: Sharing): readonly Zero[] =>
  sharing === 0 ? (dp * kind.cp * kind.ep > 1 ? [0, 1] : [0]) : [sharing];
