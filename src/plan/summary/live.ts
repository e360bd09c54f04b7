// Bytes alive while something runs, over those before it, and how they add up: one thing after another, many times the same.
import type { LiveProfile } from './summary.ts';

export const nothingAlive: LiveProfile = { peak: 0, net: 0 };

/** One, then the other. */
export const followedBy = (a: LiveProfile, b: LiveProfile): LiveProfile => ({
  peak: Math.max(a.peak, a.net + b.peak),
  net: a.net + b.net,
});

/** All of them in their order. */
export const inTurn = (all: readonly LiveProfile[]): LiveProfile => all.reduce(followedBy, nothingAlive);

/** The same so many times: most is alive in the last one if each leaves something, in the first if each takes something away. */
export const times = ({ peak, net }: LiveProfile, count: number): LiveProfile =>
  count === 0 ? nothingAlive : { peak: peak + Math.max(0, (count - 1) * net), net: count * net };
