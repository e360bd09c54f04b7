// How tokens fall on experts: how many experts are used at all, and how many slots the busiest rank has.
import type { Mixture } from '../../model/config.ts';

/** Experts of a mixture, of which the nth is liked in proportion to n to the power of -skew (0: all alike). */
export interface Liking {
  readonly experts: number;
  readonly perToken: number;
  /** Of each expert, the logarithm of the chance that a token goes elsewhere: to none go more than all tokens. */
  readonly missed: Float64Array;
  /** The variance of likings over the square of their mean. */
  readonly unequal: number;
}

export function likingOf({ experts, perToken }: Pick<Mixture, 'experts' | 'perToken'>, skew: number): Liking {
  const likes = Float64Array.from({ length: experts }, (_, place) => (place + 1) ** -skew);
  const sum = likes.reduce((all, like) => all + like, 0);
  const squares = likes.reduce((all, like) => all + like * like, 0);
  const missed = likes.map((like) => Math.log1p(-Math.min(1, (perToken * like) / sum)));
  return { experts, perToken, missed, unequal: (experts * squares) / sum ** 2 - 1 };
}

/** Experts that at least one of so many tokens goes to, on average. */
export function usedExperts({ missed }: Liking, tokens: number): number {
  let used = 0;
  for (const each of missed) used -= Math.expm1(tokens * each);
  return used;
}

/**
 * Slots of the busiest of `ranks` that share experts out, on average: more than others' by chance, and because experts that are liked are not
 * spread evenly. The greatest of n normal numbers is on average sqrt(2 ln n) - 0.6 from the mean (within 4 % from 2 to 256).
 */
export function busiestSlots({ experts, unequal }: Liking, slots: number, ranks: number): number {
  if (ranks === 1) return slots;
  const mean = slots / ranks;
  const spread = Math.sqrt(1 / mean + (unequal * ranks) / experts) * (Math.sqrt(2 * Math.log(ranks)) - 0.6);
  return Math.min(slots, mean * (1 + spread));
}
