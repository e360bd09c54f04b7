// What every way to cut layers into so many stages has at least, counted in layers: of a task whose layers are alike or not, so that it is counted once for
// all of its grids.
import type { ScheduleName } from '../../mesh/layout.ts';
import type { Software } from '../software/software.ts';
import { eachForward } from './first-backward.ts';
import { schedulesOf } from './space.ts';
import { type Cut, foldedSize, type Grid, placesOf } from './task.ts';

/** Layers of a stage, and those before it that its first microbatch comes through, and that its last one's gradients go on to. */
export interface StageLayers {
  readonly before: number;
  readonly own: number;
}

export interface LeastCut {
  /** Among the orders that stages can work in there is one that leaves gradients of weights for later. */
  readonly inHalves: boolean;
  /** The stage that has the head. */
  readonly last: StageLayers;
  /** Of the other stages those that none of them exceeds in both. */
  readonly others: readonly StageLayers[];
  /** Of all stages, on average. */
  readonly meanBefore: number;
  /** Of the stage that has fewest. */
  readonly least: number;
  /** Of the first stage. */
  readonly first: number;
  /** The same, of each as many as it has microbatches under way at its first backward. */
  readonly firstKept: number;
  /** Microbatches under way then in the chunk that has most. */
  readonly firstMost: number;
}

/** Of ways to cut layers, each; and of them those that are not at least as much in everything as another one. */
export interface LeastCuts {
  readonly each: readonly LeastCut[];
  readonly least: readonly LeastCut[];
}

export function leastCuts(cuts: readonly Cut[], grid: CountedGrid, software: Software): LeastCuts {
  const each = cuts.map((cut) => countCut(cut, grid, software));
  return { each, least: withoutExceeding(each, exceedsCut) };
}

const cutsBackward: ReadonlySet<ScheduleName> = new Set(['zb-h1', 'dualpipe']);

type CountedGrid = Pick<Grid, 'pp' | 'microbatches' | 'isBothWays'>;

function countCut({ virtual, sizes }: Cut, grid: CountedGrid, software: Software): LeastCut {
  const count = foldedSize(grid).stages;
  const stages: StageLayers[] = [];
  for (let stage = 0, before = 0; stage < count; stage++) {
    const own = placesOf(grid, stage, sizes.length).reduce((sum, place) => sum + sizes[place]!, 0);
    stages.push({ before, own });
    before += sizes[stage]!;
  }
  const last = grid.isBothWays ? 0 : count - 1;
  return {
    inHalves: schedulesOf(software, grid, virtual).some((schedule) => cutsBackward.has(schedule)),
    last: stages[last]!,
    others: withoutExceeded(stages.filter((_, stage) => stage !== last)),
    meanBefore: stages.reduce((sum, { before }) => sum + before, 0) / count,
    least: Math.min(...stages.map(({ own }) => own)),
    first: stages[0]!.own,
    ...firstKept(sizes, virtual, grid),
  };
}

/** Of all other orders 1F1B has fewest under way. */
function firstKept(
  sizes: readonly number[],
  virtual: number,
  { pp, microbatches, isBothWays }: CountedGrid,
): Pick<LeastCut, 'firstKept' | 'firstMost'> {
  if (isBothWays) return { firstKept: pp * sizes[0]! + sizes[pp - 1]!, firstMost: pp };
  let kept = 0;
  const counts: number[] = [];
  eachForward({ schedule: '1f1b', pp, virtual, microbatches }, 0, (chunk, count) => {
    kept += count * sizes[chunk * pp]!;
    counts[chunk] = (counts[chunk] ?? 0) + count;
  });
  return { firstKept: kept, firstMost: Math.max(...counts) };
}

const isWithin = (a: StageLayers, b: StageLayers): boolean => a.before <= b.before && a.own <= b.own;

const withoutExceeded = (all: readonly StageLayers[]): StageLayers[] =>
  all.filter(
    (each, at) => !all.some((other, i) => i !== at && isWithin(each, other) && !(isWithin(other, each) && i > at)),
  );

/** `a` has as much as `b` of everything. */
const exceedsCut = (a: LeastCut, b: LeastCut): boolean =>
  // Halves may wait for less.
  (b.inHalves || !a.inHalves) &&
  isWithin(b.last, a.last) &&
  b.others.every((each) => a.others.some((other) => isWithin(each, other))) &&
  b.meanBefore <= a.meanBefore &&
  b.least <= a.least &&
  b.first <= a.first &&
  b.firstKept <= a.firstKept &&
  a.firstMost <= b.firstMost;

function withoutExceeding<T>(all: readonly T[], exceeds: (a: T, b: T) => boolean): T[] {
  const left: T[] = [];
  for (const each of all) {
    if (left.some((other) => exceeds(each, other))) continue;
    left.splice(0, left.length, ...left.filter((other) => !exceeds(other, each)), each);
  }
  return left;
}
