// What a first stage that does not fit takes longer at least, whatever it gives up: so much as it lacks room for has to be moved to the host or computed anew.
import { copyRate, hostOptimizerSeconds } from '../training/offload-time.ts';
import { givingOf } from './ease.ts';
import type { LeastCut } from './least-cuts.ts';
import { type LeastWork, quickest } from './least-work.ts';
import { foldedSize, type Grid, type SearchTask } from './task.ts';

/** What may be given up for room. */
export interface Giving {
  /** What the optimizer works on may wait on the host: seconds of so many bytes of it. */
  readonly optimizer?: (bytes: number) => number;
  /** Bytes of activations a second, to the host or back; undefined: they are not moved. */
  readonly copyRate?: number;
  /** Of layers that compute anew, by each policy. */
  readonly anew: readonly Anew[];
}

/** Of a microbatch at least. */
interface Anew {
  /** As in `LeastWork`. */
  readonly each: () => LeastWork['each'];
  /** Bytes of any layer that are kept between both ways. */
  readonly kept: () => number;
}

/** What makes room is looked for by; `kept`: bytes of a layer's activations that are kept of each microbatch. */
export interface GivingBy {
  readonly grid: Grid;
  readonly kept: number;
  readonly usableBytes: number;
  /** What the optimizer works on is on the host in any case. */
  readonly onHost: boolean;
  /** What may be given up for room; undefined: nothing. */
  readonly giving?: Giving;
}

/** By what hosts can take. */
export function givingAtMost(task: SearchTask): Giving {
  const { optimizer, activations } = givingOf(task, true);
  const { cluster, offload } = task;
  const seconds = (bytes: number) => hostOptimizerSeconds({ optimizer: bytes }, task, Number.POSITIVE_INFINITY);
  return {
    ...(optimizer ? { optimizer: seconds } : {}),
    ...(activations && !offload ? { copyRate: copyRate(cluster) } : {}),
    anew: [],
  };
}

/** Bytes of a stage: with nothing given up, and with all that may be. */
export interface FirstNeed {
  readonly most: number;
  readonly least: number;
  /** Of the first one, with nothing given up. */
  readonly own: number;
  readonly optimizer: number;
  /** With the buffers that go with them. */
  readonly activations: number;
}

/** Seconds of a step of a first stage that lacks room: its own work, and what is least of all that makes room. */
export function givingSeconds(need: FirstNeed, cut: LeastCut, by: GivingBy, work: LeastWork): number {
  const { giving, usableBytes } = by;
  const own = foldedSize(by.grid).microbatches * quickest(work.each, cut.first);
  const lacks = need.own - usableBytes;
  if (lacks <= 0) return own;
  const keeping = own + moreSeconds(lacks / need.activations, cut, by, work);
  if (!giving?.optimizer || by.onHost) return keeping;
  const left = Math.max(0, lacks - need.optimizer);
  const more = left === 0 ? 0 : moreSeconds(left / need.activations, cut, by, work);
  return Math.min(keeping, own + more + giving.optimizer(need.optimizer));
}

/** What it takes longer with such a share of its activations not held. */
function moreSeconds(share: number, cut: LeastCut, { grid, kept, giving }: GivingBy, work: LeastWork): number {
  const { copyRate, anew } = giving!;
  let least = Number.POSITIVE_INFINITY;
  if (share > 1) return least;
  if (copyRate !== undefined) {
    const copies = (share * kept) / copyRate;
    const { forward, backward } = work.layer;
    const both = Math.max(forward, copies) + Math.max(backward, copies);
    least = Math.max(0, cut.first * both - quickest(work.each, cut.first));
  }
  for (const policy of anew) {
    // Layers of a chunk that more microbatches are under way in make more room.
    const layers = (share * cut.firstKept * kept) / (cut.firstMost * (kept - policy.kept()));
    if (!(layers >= 0 && layers <= cut.first)) continue;
    const longer = policy.each().map(({ count, both }, i) => ({ count, both: Math.max(0, both - work.each[i]!.both) }));
    least = Math.min(least, quickest(longer, layers));
  }
  return foldedSize(grid).microbatches * least;
}
