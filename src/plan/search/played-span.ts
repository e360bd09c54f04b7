// A schedule played with nothing but what its works wait for, and what is alive meanwhile: in numbers, without messages, so that thousands can be.
import type { WorkKind } from '../../schedule/schedule.ts';
import { workOf } from '../../schedule/schedules.ts';
import type { LiveProfile } from '../summary/summary.ts';
import type { RuledSchedule } from './task.ts';

const kinds = ['forward', 'backward', 'inputGradient', 'weightGradient'] as const satisfies readonly WorkKind[];

/** The works of a schedule's stages in their order, each as one number. */
export interface Order {
  readonly pp: number;
  readonly virtual: number;
  readonly microbatches: number;
  readonly stages: readonly Int32Array[];
}

export function orderOf(layout: { pp: number; virtual: number; schedule: RuledSchedule }, microbatches: number): Order {
  const { pp, virtual } = layout;
  const works = workOf(layout, microbatches);
  const stages = Array.from({ length: pp }, (_, stage) =>
    Int32Array.from(
      works(stage),
      ({ kind, microbatch, chunk }) => kinds.indexOf(kind) + 4 * (microbatch * virtual + chunk),
    ),
  );
  return { pp, virtual, microbatches, stages };
}

export interface PlayedSeconds {
  /** By virtual stage and kind of work: number 4 · (chunk · pp + stage) + the kind's. */
  readonly works: Float64Array;
  /** Until what a stage has made is at the next. */
  readonly transit: number;
}

/** A clock's tables: how they are indexed. */
export const workIndex = (virtualStage: number, kind: WorkKind): number => 4 * virtualStage + kinds.indexOf(kind);

/** Seconds until all stages have ended. */
export function playedSpan({ pp, virtual, microbatches, stages }: Order, { works, transit }: PlayedSeconds): number {
  const count = pp * virtual;
  // When the forward, and the backward (or the gradient of the input), of a microbatch has ended on a virtual stage; below 0: not yet.
  const forwards = new Float64Array(count * microbatches).fill(-1);
  const backwards = new Float64Array(count * microbatches).fill(-1);
  const now = new Float64Array(pp);
  const next = new Int32Array(pp);
  let left = stages.reduce((sum, { length }) => sum + length, 0);
  for (let stuck = 0, stage = 0; left > 0 && stuck < pp; stage = stage + 1 === pp ? 0 : stage + 1) {
    const order = stages[stage]!;
    const before = next[stage]!;
    let [at, time] = [before, now[stage]!];
    for (; at < order.length; at++) {
      const kind = order[at]! & 3;
      const which = order[at]! >> 2;
      const microbatch = Math.floor(which / virtual);
      const own = (which - microbatch * virtual) * pp + stage;
      const place = microbatch * count + own;
      let ready = 0;
      if (kind === 0) ready = own === 0 ? 0 : forwards[place - 1]!;
      else if (kind !== 3) ready = own === count - 1 ? 0 : backwards[place + 1]!;
      if (ready < 0) break;
      time = Math.max(time, ready > 0 ? ready + transit : 0) + works[4 * own + kind]!;
      if (kind === 0) forwards[place] = time;
      else if (kind !== 3) backwards[place] = time;
    }
    now[stage] = time;
    next[stage] = at;
    left -= at - before;
    stuck = at === before ? stuck + 1 : 0;
  }
  return Math.max(...now);
}

/** Most bytes alive on a stage at once; `live` by virtual stage and kind of work, as seconds are. */
export function playedPeak({ pp, virtual, stages }: Order, stage: number, live: readonly LiveProfile[]): number {
  let [net, most] = [0, 0];
  for (const code of stages[stage]!) {
    const profile = live[4 * (((code >> 2) % virtual) * pp + stage) + (code & 3)]!;
    most = Math.max(most, net + profile.peak);
    net += profile.net;
  }
  return most;
}
