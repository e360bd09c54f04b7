// Registered memory in whole worlds: the bits of sums, ranks that end in the middle of a call, and memory given back.
import { afterAll, expect, test } from 'vitest';
import type { Group } from '../../src/mesh/mesh.ts';
import { createThreadsWorld } from '../../src/runtime/transport/threads/world-state.ts';
import { runWorld } from '../../src/runtime/world.ts';
import { createPool } from '../../src/runtime/world-pool.ts';
import { held } from '../leaks.ts';
import type { Case } from './conformance-cases.ts';
import type { CaseResult } from './conformance-rank.ts';
import type { RegisteredJob } from './registered-rank.ts';

const pool = createPool();
afterAll(() => pool.close());

const worldOf = (size: number): Group => ({ axis: 'world', ranks: Array.from({ length: size }, (_, r) => r) });
const limits = { inPlaceReduceBytes: 1024 };
const planOf = (size: number) => ({ size, groups: [worldOf(size)], channels: [], timeoutSeconds: 20, limits });

test.each([2, 3, 4, 5])('sums in place have the bits of sums through slots on %i ranks', async (size) => {
  // Slices of many pieces, and no multiple of anything.
  const sums = (['f32', 'f64', 'i32'] as const).flatMap((type): Case[] => [
    { op: 'allReduce', type, reduce: 'sum', length: 33_003 * size },
    { op: 'reduceScatter', type, outer: 1, inner: 33_003 },
  ]);
  const run = (registered: 'all' | 'none') =>
    runWorld({
      plan: planOf(size),
      rankModule: new URL('./conformance-rank.ts', import.meta.url),
      jobs: Array.from({ length: size }, () => ({
        program: 'cases',
        args: { groups: [worldOf(size)], cases: sums },
        registered,
      })),
      pool,
    }) as Promise<CaseResult[]>;
  const throughSlots = await run('none');
  expect(throughSlots.flatMap(({ errors }) => errors)).toEqual([]);
  expect(await run('all')).toEqual(throughSlots);
});

const worldWith = (size: number, job: Omit<RegisteredJob, 'group'>) =>
  runWorld({
    plan: { ...planOf(size), timeoutSeconds: job.shared ? 3 : 20 },
    rankModule: new URL('./registered-rank.ts', import.meta.url),
    jobs: Array.from({ length: size }, (): RegisteredJob => ({ group: worldOf(size), ...job })),
    pool,
  });

test.each(['exits', 'loops', 'throws'] as const)(
  'a rank that %s in the middle of a sum in place is named',
  async (dies) => {
    const shared = createThreadsWorld(planOf(3));
    await expect(worldWith(3, { lengths: [1_000_000], dies, shared })).rejects.toThrow(/rank 1/);
    expect(await worldWith(3, { lengths: [300_000] })).toEqual([true, true, true]);
  },
);

test('ranks read what their peers have allocated a moment ago', async () => {
  expect(await worldWith(3, { lengths: [10, 20_000, 5_000_000, 9_000, 6_000_000] })).toEqual([true, true, true]);
});

test('sixteen ranks have registered memory', async () => {
  expect(await worldWith(16, { lengths: [20_000] })).toEqual(new Array(16).fill(true));
});

test.runIf(process.platform === 'linux')('worlds give their registered memory back, empty', async () => {
  const lengths = [5_000_000];
  const worlds = async (): Promise<void> => {
    for (let i = 0; i < 5; i++) expect(await worldWith(2, { lengths })).toEqual([true, true]);
    for (let i = 0; i < 3; i++) await expect(worldWith(2, { lengths, dies: 'throws' })).rejects.toThrow('no more');
  };
  await worlds();
  const before = await held();
  await worlds();
  // Of one world alone 40 MB.
  expect((await held()).residentBytes - before.residentBytes).toBeLessThan(20e6);
});
