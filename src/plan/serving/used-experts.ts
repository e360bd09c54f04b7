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
  let sum = 0;
  for (let place = 1; place <= experts; place++) sum += place ** -skew;
  let used = 0;
  for (let place = 1; place <= experts; place++)
    used += 1 - (1 - Math.min(1, (perToken * place ** -skew) / sum)) ** tokens;
  return used;
}

/**
 * Slots of the busiest of `ranks` that share experts out, on average: more than others' by chance, and because experts that are liked are not
 * spread evenly. The greatest of n normal numbers is on average sqrt(2 ln n) - 0.6 from the mean (within 4 % from 2 to 256).
 */
export function busiestSlots(slots: number, ranks: number, experts: number, skew: number): number {
  if (ranks === 1) return slots;
  let [sum, squares] = [0, 0];
  for (let place = 1; place <= experts; place++) {
    sum += place ** -skew;
    squares += place ** (-2 * skew);
  }
  const mean = slots / ranks;
  const unequal = ((experts * squares) / sum ** 2 - 1) / (experts / ranks);
  const spread = Math.sqrt(1 / mean + unequal) * (Math.sqrt(2 * Math.log(ranks)) - 0.6);
  return Math.min(slots, mean * (1 + spread));
}
