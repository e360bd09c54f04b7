// What parts of a time cost is found again from times that were made of them, and is never below nothing.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { costed, nonNegativeFit } from './non-negative-fit.ts';

const amount = fc.double({ min: 0.1, max: 10, noNaN: true });
const cost = fc.oneof(fc.constant(0), fc.double({ min: 0.01, max: 1, noNaN: true }));

test('times that are made of the amounts are found again', () => {
  fc.assert(
    fc.property(
      fc.array(cost, { minLength: 3, maxLength: 3 }).filter((costs) => costs.some((each) => each > 0)),
      fc.array(fc.tuple(amount, amount, amount), { minLength: 6, maxLength: 20 }),
      (costs, rows) => {
        const measured = rows.map((amounts) => ({ amounts, seconds: costed(amounts, costs) }));
        const found = nonNegativeFit(measured);
        expect(found.every((each) => each >= 0)).toBe(true);
        // Sweeps come near in the directions that the amounts tell apart: times agree sooner than costs.
        for (const { amounts, seconds } of measured) expect(costed(amounts, found) / seconds).toBeCloseTo(1, 2);
      },
    ),
    { numRuns: 40 },
  );
});

test('what would be less than nothing is nothing', () => {
  // The less there is of the second, the longer it takes: only a cost below 0 would say so.
  const measured = [
    { amounts: [1, 3], seconds: 1 },
    { amounts: [1, 1], seconds: 2 },
  ];
  const [first, second] = nonNegativeFit(measured);
  expect(second).toBe(0);
  // Least squares of first / 1 - 1, and twice as much of first / 2 - 1.
  expect(first).toBeCloseTo(4 / 3, 9);
});
