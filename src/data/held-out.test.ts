// The held-out part: the two parts are the whole, no place is predicted in both, and it is spread.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { split } from './held-out.ts';

const sizes = fc
  .integer({ min: 1, max: 2000 })
  .chain((count) => fc.tuple(fc.constant(count), fc.integer({ min: 0, max: count - 1 })));

test('training and held-out sequences are all sequences, each once and in order', () => {
  fc.assert(
    fc.property(sizes, ([count, heldOut]) => {
      const parts = split(count, heldOut);
      const training = Array.from({ length: parts.training }, (_, i) => parts.trainingAt(i));
      const held = Array.from({ length: parts.heldOut }, (_, i) => parts.heldOutAt(i));
      expect([training.length, held.length]).toEqual([count - heldOut, heldOut]);
      for (const part of [training, held]) expect(part).toEqual([...part].sort((a, b) => a - b));
      expect([...training, ...held].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
    }),
    { numRuns: 500 },
  );
});

test('is spread over the stream: any tenth of it holds about a tenth', () => {
  const { heldOut, heldOutAt } = split(100_000, 5000);
  const tenths = new Array<number>(10).fill(0);
  for (let i = 0; i < heldOut; i += 1) tenths[Math.floor(heldOutAt(i) / 10_000)]! += 1;
  // 64 runs of 78 over ten tenths: six or seven runs each.
  for (const tenth of tenths) expect(Math.abs(tenth - 500)).toBeLessThanOrEqual(79);
});

test('one held-out sequence is the last; a stream beyond 32 bits works', () => {
  expect(split(10, 1).heldOutAt(0)).toBe(9);
  const count = 2 ** 40;
  const { training, trainingAt, heldOutAt } = split(count, 2 ** 30);
  expect(heldOutAt(2 ** 30 - 1)).toBe(count - 1);
  expect(trainingAt(training - 1)).toBe(count - 1 - 2 ** 24);
  expect(() => heldOutAt(2 ** 30)).toThrow(RangeError);
});
