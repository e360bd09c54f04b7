// Speedup, efficiency and the serial fraction against Amdahl's law worked forwards.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { printScaling, scalingOf, serialShare } from './scaling.ts';

test('a run that follows Amdahl gives back its serial fraction', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 2, max: 64 }), (serial, ranks) => {
      const seconds = 3 * (serial + (1 - serial) / ranks);
      const { speedup, efficiency, serialFraction } = scalingOf(ranks, seconds, 3);
      expect(serialFraction).toBeCloseTo(serial, 9);
      expect(efficiency * ranks).toBeCloseTo(speedup, 9);
    }),
  );
});

test('one rank, and more than perfect', () => {
  expect(scalingOf(1, 2, 2)).toEqual({ speedup: 1, efficiency: 1, serialFraction: Number.NaN });
  expect(scalingOf(2, 1, 3).serialFraction).toBeLessThan(0);
});

test('weak scaling: four times the work in twice the time is a speedup of two, and Amdahl has no say', () => {
  expect(scalingOf(4, 2, 1, 4)).toEqual({ speedup: 2, efficiency: 0.5, serialFraction: Number.NaN });
});

test('a serial share only where there is one', () => {
  expect(serialShare(scalingOf(2, 3, 2))).toBe('slower');
  expect(serialShare(scalingOf(2, 2, 2))).toBeCloseTo(1);
  expect(serialShare(scalingOf(2, 0.9, 2))).toBe('none');
  expect(serialShare(scalingOf(1, 2, 2))).toBeUndefined();
  expect(serialShare(scalingOf(4, 2, 1, 4))).toBeUndefined();
});

test('in a line', () => {
  expect(printScaling(2, 0.8, 1.2)).toBe(
    'one rank 1.20 s, 2 ranks 800.00 ms: speedup 1.50, efficiency 0.75, serial fraction 0.33',
  );
});
