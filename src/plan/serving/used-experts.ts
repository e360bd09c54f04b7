// How tokens fall on experts: how many experts are used at all, and how many slots the busiest rank has.
import type { Mixture } from '../../model/config.ts';

/**
 * Experts that at least one of so many tokens goes to, on average. Some are liked more than others: the nth in proportion to n to the power of
 * -skew (0: all alike), but none by more than all tokens.
 */
export function usedExperts(
  { experts, perToken }: Pick<Mixture, 'experts' | 'perToken'>,
  tokens: number,
  skew: number,
): number {
  const key = `${experts},${perToken},${tokens},${skew}`;
  const before = known.get(key);
  if (before !== undefined) return before;
  let sum = 0;
  for (let place = 1; place <= experts; place++) sum += place ** -skew;
  let used = 0;
  for (let place = 1; place <= experts; place++)
    used += 1 - (1 - Math.min(1, (perToken * place ** -skew) / sum)) ** tokens;
  if (known.size >= mostKnown) known.clear();
  known.set(key, used);
  return used;
}

/** Instances of one model are asked for the same numbers of tokens again and again. */
const known = new Map<string, number>();
const mostKnown = 2 ** 16;

/** Slots of the busiest of `ranks` that share experts out: the mean, and what chance adds to it. */
export function busiestSlots(slots: number, ranks: number): number {
  const mean = slots / ranks;
  return ranks === 1 ? mean : Math.min(slots, mean + Math.sqrt(2 * mean * Math.log(ranks)));
}
