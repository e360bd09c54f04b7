import fc from 'fast-check';
import { expect, test } from 'vitest';
import { figuresOf, type JudgedRow, quantile, regrets } from './figures.ts';

const row = (rest: Partial<JudgedRow>): JudgedRow => ({ id: 'x', source: 's', ...rest });
const timed = (predicted: number, measured: number, rest: Partial<JudgedRow> = {}): JudgedRow =>
  row({ predicted, measured, error: predicted / measured - 1, ...rest });

test('figures of a table, by hand', () => {
  const memory = { predicted: 99, measured: 100, error: -0.01 };
  const rows = [
    timed(1.1, 1, { fits: { predicted: true, measured: true }, memory }),
    timed(0.8, 1, { fits: { predicted: false, measured: true } }),
    timed(1.3, 1),
    row({ fits: { predicted: false, measured: false } }),
    row({ skipped: 'why' }),
  ];
  const { medianError, meanError, p90Error, signedError, ...rest } = figuresOf(rows);
  expect(rest).toEqual({
    rows: 5,
    predicted: 4,
    skipped: 1,
    memoryMeanError: 0.01,
    fitsRight: 2 / 3,
    regretMean: null,
    byMetric: null,
  });
  expect([medianError, meanError, signedError]).toEqual([0.2, 0.2, 0.2 / 3].map((value) => expect.closeTo(value, 12)));
  // 0.1, 0.2, 0.3: eight tenths of the way from the middle one to the last.
  expect(p90Error).toBeCloseTo(0.28, 12);
});

test('a table without figures has null for each', () => {
  const { rows, predicted, skipped, ...figures } = figuresOf([row({ skipped: 'why' })]);
  expect([rows, predicted, skipped]).toEqual([1, 0, 1]);
  expect(Object.values(figures)).toEqual(Object.values(figures).map(() => null));
});

test('served requests have figures of each metric that is measured', () => {
  const rows = [
    timed(1.1, 1, { metricErrors: { timePerOutputToken: 0.1, throughput: -0.2 } }),
    timed(1.3, 1, { metricErrors: { timePerOutputToken: -0.3 } }),
    row({ skipped: 'why' }),
  ];
  expect(figuresOf(rows).byMetric).toEqual({
    timePerOutputToken: {
      rows: 2,
      medianError: expect.closeTo(0.2, 12),
      meanError: expect.closeTo(0.2, 12),
      p90Error: expect.closeTo(0.28, 12),
      signedError: expect.closeTo(-0.1, 12),
    },
    throughput: { rows: 1, medianError: 0.2, meanError: 0.2, p90Error: 0.2, signedError: -0.2 },
  });
});

test('regret is what the choice loses in its group; alike rows are one layout', () => {
  const rows = [
    timed(1, 12, { group: 'a', alike: 'tp' }),
    timed(1, 14, { group: 'a', alike: 'tp' }),
    timed(2, 10, { group: 'a', alike: 'pp' }),
    timed(1, 5, { group: 'b', alike: 'tp' }),
    timed(2, 9, { group: 'b', alike: 'dp' }),
    timed(9, 1, { group: 'alone', alike: 'tp' }),
  ];
  expect(regrets(rows)).toEqual([
    { group: 'a', regret: expect.closeTo(0.3, 12), layouts: 2 },
    { group: 'b', regret: 0, layouts: 2 },
  ]);
});

test('a perfect prediction regrets nothing, and quantiles lie between the ends', () => {
  const seconds = fc.double({ min: 1e-3, max: 1e3, noNaN: true });
  fc.assert(
    fc.property(
      fc.array(seconds, { minLength: 2, maxLength: 20 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (times, share) => {
        const rows = times.map((time, i) => timed(time, time, { group: 'g', alike: `${i}` }));
        expect(regrets(rows).map(({ regret }) => regret)).toEqual([0]);
        expect(figuresOf(rows)).toMatchObject({ meanError: 0, medianError: 0, p90Error: 0 });
        const sorted = times.toSorted((a, b) => a - b);
        const found = quantile(sorted, share)!;
        expect(found).toBeGreaterThanOrEqual(sorted[0]! * (1 - 1e-12));
        expect(found).toBeLessThanOrEqual(sorted.at(-1)! * (1 + 1e-12));
      },
    ),
  );
});
