// The arithmetic of `scale` on small numbers.
import { expect, test } from 'vitest';
import { imbalance, median, rankCounts } from './scaling.ts';

test('imbalance and median', () => {
  expect(imbalance([2, 2, 2])).toBe(0);
  expect(imbalance([3, 1])).toBe(0.5);
  expect(median([5, 1, 3])).toBe(3);
  expect(median([4, 1, 3, 2])).toBe(2.5);
});

test('rank counts', () => {
  expect(rankCounts(3)).toEqual([1, 2, 3]);
  expect(rankCounts(8)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(rankCounts(40)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 40]);
});
