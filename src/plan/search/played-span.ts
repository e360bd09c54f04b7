// A schedule played with nothing but what its works wait for, and what is alive meanwhile: in numbers, without messages, so that thousands can be.
import { placeOf } from '../../mesh/layout.ts';
import type { Work, WorkKind } from '../../schedule/schedule.ts';
import { workOf } from '../../schedule/schedules.ts';
import type { LiveProfile } from '../summary/summary.ts';
import type { RuledSchedule } from './task.ts';

const kinds = ['forward', 'backward', 'inputGradient', 'weightGradient'] as const satisfies readonly WorkKind[];

/**
 * The works of a schedule's stages in their order, each as one number: 8 · (microbatch · places + place in the model), and 4 more for one of two side by
 * side, and the kind's.
 */
export interface Order {
  readonly pp: number;
  /** Of chunks in the model. */
  readonly places: number;
  readonly microbatches: number;
  readonly stages: readonly Int32Array[];
}

const isBeside = 4;

export function orderOf(layout: { pp: number; virtual: number; schedule: RuledSchedule }, microbatches: number): Order {
  const { pp, virtual } = layout;
  const places = pp * virtual;
  const works = workOf(layout, microbatches);
  const codeOf = (stage: number, { kind, microbatch, chunk, beside }: Work): number =>
    8 * (microbatch * places + placeOf(layout, stage, chunk)) + (beside ? isBeside : 0) + kinds.indexOf(kind);
  const stages = Array.from({ length: pp }, (_, stage) => Int32Array.from(works(stage), (work) => codeOf(stage, work)));
  return { pp, places, microbatches, stages };
}

export interface PlayedSeconds {
  /** By place and kind of work: number 4 · place + the kind's. */
  readonly works: Float64Array;
  /** Of two works side by side, by the forward's place; and of a message that its sender waits for, which is part of the work that it comes after. */
  readonly pairs?: { readonly works: Float64Array; readonly busy: number };
  /** Until what a stage has made is at the next. */
  readonly transit: number;
}

/** A clock's tables: how they are indexed. */
export const workIndex = (place: number, kind: WorkKind): number => 4 * place + kinds.indexOf(kind);

/** Seconds until all stages have ended. */
export function playedSpan({ pp, places, microbatches, stages }: Order, seconds: PlayedSeconds): number {
  const { works, pairs, transit } = seconds;
  // When the forward, and the backward (or the gradient of the input), of a microbatch has ended at a place; below 0: not yet.
  const forwards = new Float64Array(places * microbatches).fill(-1);
  const backwards = new Float64Array(places * microbatches).fill(-1);
  const now = new Float64Array(pp);
  const next = new Int32Array(pp);
  let left = stages.reduce((sum, { length }) => sum + length, 0);
  for (let stuck = 0, stage = 0; left > 0 && stuck < pp; stage = stage + 1 === pp ? 0 : stage + 1) {
    const order = stages[stage]!;
    const before = next[stage]!;
    let [at, time] = [before, now[stage]!];
    for (; at < order.length; at++) {
      const code = order[at]!;
      const kind = code & 3;
      const which = code >> 3;
      const place = which % places;
      let ready = 0;
      if (kind === 0) ready = place === 0 ? 0 : forwards[which - 1]!;
      else if (kind !== 3) ready = place === places - 1 ? 0 : backwards[which + 1]!;
      if (ready < 0) break;
      if ((code & isBeside) > 0) {
        // The backward beside it is next: both begin when both can, and what the forward has made is sent first.
        const other = order[at + 1]! >> 3;
        const back = other % places;
        const also = back === places - 1 ? 0 : backwards[other + 1]!;
        if (also < 0) break;
        ready = Math.max(ready, also);
        time = Math.max(time, ready > 0 ? ready + transit : 0) + pairs!.works[place]!;
        forwards[which] = time - (back > 0 ? pairs!.busy : 0);
        backwards[other] = time;
        at++;
        continue;
      }
      time = Math.max(time, ready > 0 ? ready + transit : 0) + works[4 * place + kind]!;
      if (kind === 0) forwards[which] = time;
      else if (kind !== 3) backwards[which] = time;
    }
    now[stage] = time;
    next[stage] = at;
    left -= at - before;
    stuck = at === before ? stuck + 1 : 0;
  }
  return Math.max(...now);
}

/** Most bytes alive on a stage at once, of two works side by side one after the other; `live` by place and kind of work, as seconds are. */
export function playedPeak({ places, stages }: Order, stage: number, live: readonly LiveProfile[]): number {
  let [net, most] = [0, 0];
  for (const code of stages[stage]!) {
    const profile = live[4 * ((code >> 3) % places) + (code & 3)]!;
    most = Math.max(most, net + profile.peak);
    net += profile.net;
  }
  return most;
}
