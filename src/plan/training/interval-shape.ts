// How far off predictions may be, in a few numbers.

/** Lowest and highest. */
export type Interval = readonly [low: number, high: number];

/** What makes predictions worse, or better. */
export type Trait = 'mixture' | 'nodes' | 'narrow' | 'long' | 'blackwell';

export interface IntervalParameters {
  /** Of the logarithm of measured over predicted, where it is as large as is usual without any trait. */
  readonly width: number;
  /** By which it is larger (or smaller) with a trait. */
  readonly factors: Readonly<Record<Trait, number>>;
  /** Of that logarithm in usual widths: the tenth and the ninetieth of a hundred. */
  readonly low: number;
  readonly high: number;
  /** The same where a tuned stack is assumed, whatever ran: of runs whose framework has a name. */
  readonly tuned: Interval;
  /** Of memory, the same logarithm itself. */
  readonly memory: Interval;
}
