// The order in which sources are mixed: their shares at every prefix, each position by itself, the same for ever.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cycleLength, mixing, wholeShares } from './mixing.ts';

const weights = fc.array(fc.double({ min: 0.01, max: 1, noNaN: true }), { minLength: 1, maxLength: 12 });

test('every prefix holds every source by its share to within one, and indices count up', () => {
  fc.assert(
    fc.property(weights, fc.integer({ min: 1, max: 2 ** 38 }), (all, start) => {
      const mix = mixing(all);
      const had = all.map(() => 0);
      const total = all.reduce((sum, weight) => sum + weight, 0);
      for (const [source, weight] of all.entries())
        expect(Math.abs(mix.shares[source]! - weight / total)).toBeLessThan(1 / cycleLength);
      for (let position = 0; position < 2 * cycleLength + 50; position += 1) {
        const { source, index } = mix.at(position);
        if (index !== had[source]) throw new Error(`position ${position}: index ${index}, not ${had[source]}`);
        had[source]! += 1;
        for (const [other, share] of mix.shares.entries()) {
          const error = Math.abs(had[other]! - share * (position + 1));
          if (!(error < 1 + 1e-6)) throw new Error(`position ${position}: source ${other} is off by ${error}`);
        }
      }
      // Far on it is the same order.
      const far = start * cycleLength;
      for (let slot = 0; slot < cycleLength; slot += 97) {
        const near = mix.at(slot);
        const there = mix.at(far + slot);
        expect(there.source).toBe(near.source);
        expect(there.index - near.index).toBe(start * Math.round(mix.shares[near.source]! * cycleLength));
      }
    }),
    { numRuns: 20 },
  );
});

test('equal weights take turns, 3 to 1 three turns and one', () => {
  const order = (all: number[], count: number) => Array.from({ length: count }, (_, i) => mixing(all).at(i).source);
  expect(order([1, 1], 6)).toEqual([0, 1, 0, 1, 0, 1]);
  expect(order([3, 1], 8)).toEqual([0, 0, 0, 1, 0, 0, 0, 1]);
  expect(order([5], 3)).toEqual([0, 0, 0]);
});

test('only what weights are to one another counts', () => {
  const shares = (...all: number[]) => mixing(all).shares;
  expect(shares(70, 20, 10)).toEqual([0.7, 0.2, 0.1]);
  expect(shares(7e307, 2e307, 1e307)).toEqual([0.7, 0.2, 0.1]);
  expect(shares(7e307, 1.7e308, 1.7e308).reduce((sum, share) => sum + share)).toBeCloseTo(1, 12);
});

test('largest remainder: whole shares add up, none off by one or more', () => {
  expect(wholeShares([1, 1, 1], 100)).toEqual([34, 33, 33]);
  fc.assert(
    fc.property(weights, fc.nat({ max: 1e6 }), (all, total) => {
      const counts = wholeShares(all, total);
      const sum = all.reduce((a, b) => a + b, 0);
      expect(counts.reduce((a, b) => a + b, 0)).toBe(total);
      for (const [i, count] of counts.entries()) expect(Math.abs(count - (all[i]! / sum) * total)).toBeLessThan(1.001);
    }),
  );
});

test.each([
  [[], /data: there are no sources/],
  [[1, 0], /the weight 0 is not a number above 0; leave out/],
  [[-1], /the weight -1/],
  [[1, Number.NaN], /the weight NaN/],
  [[1, Number.POSITIVE_INFINITY], /the weight Infinity/],
  [[1, 1e-5], /the weight 0.00001 is less than 1\/20000 of all weights together/],
  [new Array(65).fill(1), /65 sources are more than 64/],
])('weights %j are refused', (all, message) => {
  expect(() => mixing(all as number[])).toThrow(message);
});
