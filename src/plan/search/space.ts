// The layouts of a search: all that divide the model, the batch and the devices, and that the runtime would run.
import { FivefoldError } from '../../errors.ts';
import { cpModes, largestAxis, oneRank, virtualLayers, type Zero } from '../../mesh/layout.ts';
import { recomputePolicies } from '../../mesh/recompute.ts';
import { checkFit, divisors } from '../../model/fit.ts';
import { dualPipeProblem } from '../../schedule/dual-pipe.ts';
import { mostMicrobatches } from '../../schedule/schedule.ts';
import { remember } from '../../step/once.ts';
import type { PipelineOrder, Software } from '../software/software.ts';
import {
  type Cut,
  copiesOf,
  type Grid,
  type Kind,
  kindLayout,
  type RuledSchedule,
  type SearchTask,
  type Sharing,
  sharings,
} from './task.ts';

/** A grid of any kind. */
export type GridSize = Omit<Grid, 'kind'>;

/** Kinds that differ in what they compute anew, and the sizes of the grids of each of them. */
export interface AlikeKinds {
  readonly kinds: readonly Kind[];
  readonly sizes: readonly GridSize[];
}

/** All that there are. */
export function alikeKinds(task: SearchTask): AlikeKinds[] {
  const known = new Map<string, ReadonlyMap<number, readonly GridSize[]>>();
  return shapesOf(task).flatMap((shape) => {
    const { tp, cp, ep } = shape;
    const sizes = remember(known, `${tp} ${cp} ${ep}`, () => sizesOf(task, shape));
    const alike = (microBatch: number): Kind[] =>
      recomputePolicies.map((recompute) => ({ ...shape, microBatch, recompute }));
    return [...sizes].map(([microBatch, sizes]) => ({ kinds: alike(microBatch), sizes }));
  });
}

/** By microbatch. */
function sizesOf({ config, cluster, globalBatch, software }: SearchTask, { tp, cp, ep }: Shape) {
  const { pipelines } = software;
  const hasOneWay = pipelines.some((order) => order !== 'dualpipe');
  const hasBothWays = pipelines.includes('dualpipe');
  const sizes = new Map<number, GridSize[]>();
  for (const pp of divisors(cluster.devices / (tp * cp * ep))) {
    if (pp > config.layers || pp > largestAxis) break;
    const dp = cluster.devices / (tp * cp * ep * pp);
    const share = globalBatch / (dp * ep);
    if (!Number.isInteger(share) || dp > largestAxis) continue;
    for (const microBatch of divisors(share)) {
      const microbatches = share / microBatch;
      if (microbatches > mostMicrobatches) continue;
      const isBothWays = hasBothWays && pp > 1 && dualPipeProblem(pp, microbatches) === undefined;
      const isOneWay = pp === 1 || hasOneWay;
      if (!isOneWay && !isBothWays) continue;
      const ofMicroBatch = remember(sizes, microBatch, () => []);
      if (isOneWay) ofMicroBatch.push({ pp, dp, microbatches });
      if (isBothWays) ofMicroBatch.push({ pp, dp, microbatches, isBothWays: true });
    }
  }
  return sizes;
}

/** Grids of a kind have the same object, so that what is known of it is kept by it. */
export const gridsOfKind = (kind: Kind, sizes: readonly GridSize[]): Grid[] => sizes.map((size) => ({ kind, ...size }));

/** Every grid that uses all devices. */
export const gridsOf = (task: SearchTask): Grid[] =>
  alikeKinds(task).flatMap(({ kinds, sizes }) => kinds.flatMap((kind) => gridsOfKind(kind, sizes)));

/** Every kind of them. */
export const kindsOf = (grids: readonly Grid[]): Kind[] => [...new Set(grids.map(({ kind }) => kind))];

/** In how many shares a batch may be dealt out, whatever it is. */
export function replicaCounts(task: SearchTask): number[] {
  const { config, cluster, software } = task;
  const most = software.pipelines.length > 0 ? config.layers : 1;
  const counts = shapesOf(task).flatMap(({ tp, cp, ep }) =>
    divisors(cluster.devices / (tp * cp * ep)).flatMap((pp) => (pp <= most ? [cluster.devices / (tp * cp * pp)] : [])),
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
export function cutsOf({ config, software }: Pick<SearchTask, 'config' | 'software'>, grid: Pipe): Cut[] {
  const { layers } = config;
  const { pp } = grid;
  const hasChunks = schedulesOf(software, grid, 2).length > 0;
  const chunks = hasChunks ? Math.floor(layers / pp) : 1;
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

/** What decides the cuts and the orders that there are. */
export type Pipe = Pick<Grid, 'pp' | 'isBothWays'>;

/** As a number. */
export const pipeKey = ({ pp, isBothWays }: Pipe): number => 2 * pp + (isBothWays ? 1 : 0);

/** The orders in which so many stages of so many chunks can work. On one stage all of them do the same. */
export function schedulesOf({ pipelines }: Software, { pp, isBothWays }: Pipe, virtual: number): RuledSchedule[] {
  if (pp === 1) return virtual === 1 ? ['1f1b'] : [];
  if (isBothWays) return virtual === 1 ? ['dualpipe'] : [];
  const all = virtual > 1 ? withChunks : withoutChunks;
  return all.flatMap(([schedule, order]) => (pipelines.includes(order) ? [schedule] : []));
}

/** As layouts call them, and as software has them. */
const withoutChunks = [
  ['1f1b', '1f1b'],
  ['zb-h1', 'zb-h1'],
  ['gpipe', 'gpipe'],
] as const satisfies readonly (readonly [RuledSchedule, PipelineOrder])[];

const withChunks = [
  ['1f1b', 'interleaved'],
  ['gpipe', 'breadth-first'],
] as const satisfies readonly (readonly [RuledSchedule, PipelineOrder])[];

/** What can be shared out where there is anybody to share with. */
export const sharingsOf = (grid: Grid): readonly Sharing[] => (isAlone(grid) ? [0] : sharings);

const isAlone = (grid: Grid): boolean => copiesOf(grid) * grid.kind.cp * grid.kind.ep === 1;

/** ZeRO's levels of it. */
export const zerosOf = (grid: Grid, sharing: Sharing): readonly Zero[] =>
  sharing === 0 ? (isAlone(grid) ? [0] : [0, 1]) : [sharing];
