// The beginning of a played schedule: for pictures of those that are too long or have too many stages to be drawn whole.
import type { Played } from './play.ts';

export interface ClipOptions {
  /** At most so many stages, the first ones. */
  readonly stages: number;
  /** At most so many seconds from the begin; what is at work then is cut. */
  readonly seconds: number;
}

/** Its `bubbleFraction` is still that of the whole. */
export function clip(played: Played, { stages, seconds }: ClipOptions): Played {
  const makespan = Math.min(seconds, played.makespan);
  const spans = played.spans
    .filter(({ stage, start }) => stage < stages && start < makespan)
    .map((span) => (span.end > makespan ? { ...span, end: makespan } : span));
  return { spans, makespan, busy: played.busy.slice(0, stages), bubbleFraction: played.bubbleFraction };
}
