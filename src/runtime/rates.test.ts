// The machine's own rates, measured for a moment.
import { afterAll, expect, test } from 'vitest';
import { measureTalkCost } from './all-reduce-rate.ts';
import { measureMatrixRate } from './matrix-rate.ts';
import { createPool } from './world-pool.ts';

const pool = createPool();
afterAll(() => pool.close());

test.each([
  [1, 'f32'],
  [3, 'f64'],
] as const)('%d ranks multiply matrices in %s', async (ranks, precision) => {
  const begun = performance.now();
  const rate = await measureMatrixRate({ ranks, precision, seconds: 0.03, pool });
  const seconds = (performance.now() - begun) / 1000;
  // At least one product a window and rank was run, and no core does a thousand multiplications at once.
  expect(rate).toBeGreaterThan((2 * 256 * 512 * 1024) / seconds);
  expect(rate).toBeLessThan(ranks * 2e12);
});

test('talking costs something a call and something a byte', async () => {
  const { secondsPerCall, secondsPerByte } = await measureTalkCost({ ranks: 2, pool });
  expect(secondsPerCall).toBeGreaterThan(0);
  expect(secondsPerCall).toBeLessThan(1);
  expect(secondsPerByte).toBeGreaterThanOrEqual(0);
  expect(secondsPerByte).toBeLessThan(1e-6);
});

test('a run that is stopped stops measuring', async () => {
  const stopped = measureMatrixRate({ ranks: 1, precision: 'f32', pool, signal: AbortSignal.abort() });
  await expect(stopped).rejects.toMatchObject({ code: 'RUN_ABORTED' });
});
