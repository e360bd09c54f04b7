// Which source each position of a mixed order reads: a fixed cycle that follows the weights as evenly as can be.
import { fail, option } from '../errors.ts';
import { checkWeights } from './source.ts';

/** Positions after which the order of the sources repeats; a share is a whole number of ten-thousandths. */
export const cycleLength = 10_000;

/** The endless order of sources, any position of which can be asked for by itself. */
export interface Mixing {
  /** By source: the part of all sequences that come from it. They add up to 1. */
  readonly shares: readonly number[];
  /** The source of a position (a whole number from 0 on), and how many positions before it have the same source. */
  at(position: number): { readonly source: number; readonly index: number };
}

/**
 * Before any position, a source has had its share of the positions to within one: counts never drift from the shares.
 * It depends on the weights alone, so every layout and every resumed run has the same order.
 * @throws OPTION_INVALID for weights that are no positive numbers, or too unequal for the cycle
 */
export function mixing(weights: readonly number[]): Mixing {
  checkWeights(weights);
  if (weights.length === 1) return { shares: [1], at: (position) => ({ source: 0, index: position }) };
  const counts = wholeShares(weights, cycleLength);
  const small = counts.indexOf(0);
  if (small >= 0)
    fail('OPTION_INVALID', {
      option: option('mix'),
      problem: `the weight ${weights[small]} is less than 1/${2 * cycleLength} of all weights together`,
      fix: 'use weights that are less unequal, or leave that source out',
    });
  const { sources, indices } = cycleOf(counts);
  return {
    shares: counts.map((count) => count / cycleLength),
    at(position) {
      const slot = position % cycleLength;
      const source = sources[slot]!;
      return { source, index: Math.floor(position / cycleLength) * counts[source]! + indices[slot]! };
    },
  };
}

/** `total` divided by weight into whole numbers: rounded down, and what is left to those that lost most by it. */
export function wholeShares(weights: readonly number[], total: number): number[] {
  // By the largest first: a sum of the weights themselves may overflow.
  const largest = Math.max(...weights);
  const sum = weights.reduce((all, weight) => all + weight / largest, 0);
  const exact = weights.map((weight) => (weight / largest / sum) * total);
  const counts = exact.map(Math.floor);
  const left = total - counts.reduce((all, count) => all + count, 0);
  const lost = exact.map((value, index) => ({ index, loss: value - counts[index]! }));
  lost.sort((a, b) => b.loss - a.loss || a.index - b.index);
  for (const { index } of lost.slice(0, left)) counts[index]! += 1;
  return counts;
}

/**
 * Occurrence j of a source with c of C positions has its window [floor(j C / c), ceil((j + 1) C / c)); each position goes to
 * the open window that ends first. Such an order always exists and keeps every count within one of its share (Baruah, Cohen,
 * Plaxton and Varvel, "Proportionate progress", 1996).
 */
function cycleOf(counts: readonly number[]): { readonly sources: Uint8Array; readonly indices: Uint16Array } {
  const sources = new Uint8Array(cycleLength);
  const indices = new Uint16Array(cycleLength);
  const had = counts.map(() => 0);
  for (let position = 0; position < cycleLength; position += 1) {
    let next = -1;
    let nextEnd = Number.POSITIVE_INFINITY;
    for (const [source, count] of counts.entries()) {
      const begin = Math.floor((had[source]! * cycleLength) / count);
      const end = Math.ceil(((had[source]! + 1) * cycleLength) / count);
      if (begin > position || end >= nextEnd) continue;
      next = source;
      nextEnd = end;
    }
    sources[position] = next;
    indices[position] = had[next]!;
    had[next]! += 1;
  }
  return { sources, indices };
}
