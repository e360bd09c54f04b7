// What every way to cut layers into so many stages has at least, counted in layers: of a task whose layers are alike or not, so that it is counted once for
// all of its grids.
import { eachForward } from './first-backward.ts';
import type { Cut, Grid } from './task.ts';

/** Layers of a stage, and those before it that its first microbatch comes through, and that its last one's gradients go on to. */
export interface StageLayers {
  readonly before: number;
  readonly own: number;
}

export interface LeastCut {
  /** Stages have one chunk each: ZB-H1 is among the orders they can work in. */
  readonly isOneChunk: boolean;
  /** The last stage, which has the head. */
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
}

/** Of ways to cut layers, each; and of them those that are not at least as much in everything as another one. */
export interface LeastCuts {
  readonly each: readonly LeastCut[];
  readonly least: readonly LeastCut[];
}

export function leastCuts(cuts: readonly Cut[], { pp, microbatches }: Pick<Grid, 'pp' | 'microbatches'>): LeastCuts {
  const each = cuts.map((cut) => countCut(cut, pp, microbatches));
  return { each, least: withoutExceeding(each, exceedsCut) };
}

function countCut({ virtual, sizes }: Cut, pp: number, microbatches: number): LeastCut {
  const stages: StageLayers[] = [];
  for (let stage = 0, before = 0; stage < pp; stage++) {
    let own = 0;
    for (let at = stage; at < sizes.length; at += pp) own += sizes[at]!;
    stages.push({ before, own });
    before += sizes[stage]!;
  }
  let firstKept = 0;
  // Of all orders 1F1B has fewest under way.
  eachForward({ schedule: '1f1b', pp, virtual, microbatches }, 0, (chunk, count) => {
    firstKept += count * sizes[chunk * pp]!;
  });
  return {
    isOneChunk: virtual === 1,
    last: stages[pp - 1]!,
    others: withoutExceeded(stages.slice(0, -1)),
    meanBefore: stages.reduce((sum, { before }) => sum + before, 0) / pp,
    least: Math.min(...stages.map(({ own }) => own)),
    first: stages[0]!.own,
    firstKept,
  };
}

const isWithin = (a: StageLayers, b: StageLayers): boolean => a.before <= b.before && a.own <= b.own;

const withoutExceeded = (all: readonly StageLayers[]): StageLayers[] =>
  all.filter(
    (each, at) => !all.some((other, i) => i !== at && isWithin(each, other) && !(isWithin(other, each) && i > at)),
  );

/** `a` has as much as `b` of everything. */
const exceedsCut = (a: LeastCut, b: LeastCut): boolean =>
  // One chunk may wait for less.
  (b.isOneChunk || !a.isOneChunk) &&
  isWithin(b.last, a.last) &&
  b.others.every((each) => a.others.some((other) => isWithin(each, other))) &&
  b.meanBefore <= a.meanBefore &&
  b.least <= a.least &&
  b.first <= a.first &&
  b.firstKept <= a.firstKept;

function withoutExceeding<T>(all: readonly T[], exceeds: (a: T, b: T) => boolean): T[] {
  const left: T[] = [];
  for (const each of all) {
    if (left.some((other) => exceeds(each, other))) continue;
    left.splice(0, left.length, ...left.filter((other) => !exceeds(other, each)), each);
  }
  return left;
}
