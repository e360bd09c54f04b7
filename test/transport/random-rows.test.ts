// All-to-alls of rows with any counts, in any number of chunks, in place or not, over any hosts, give every member what is for it.
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { runWorld } from '../../src/runtime/world.ts';
import { createPool } from '../../src/runtime/world-pool.ts';
import type { Case } from './conformance-cases.ts';
import type { CaseResult, ConformanceJob } from './conformance-rank.ts';

const pool = createPool();
afterAll(() => pool.close());

const matrixOf = (size: number, most: number) =>
  fc.array(fc.array(fc.nat(most), { minLength: size, maxLength: size }), { minLength: size, maxLength: size });

const caseOf = (size: number): fc.Arbitrary<Case> =>
  fc.record({
    op: fc.constant('allToAllV' as const),
    type: fc.constantFrom('f32' as const, 'f64' as const, 'i32' as const),
    // Few rows, many, and none from or for most.
    pattern: fc.oneof(matrixOf(size, 3), matrixOf(size, 60), fc.constantFrom('toFirst' as const, 'fromLast' as const)),
    rows: fc.constantFrom(1, 1, 17),
    width: fc.integer({ min: 1, max: 9 }),
    spare: fc.nat(2),
  });

const worlds = fc.integer({ min: 2, max: 6 }).chain((size) =>
  fc.record({
    size: fc.constant(size),
    // In an order of its own.
    ranks: fc.shuffledSubarray(
      Array.from({ length: size }, (_, rank) => rank),
      { minLength: size },
    ),
    hosts: fc.option(fc.array(fc.nat(1), { minLength: size, maxLength: size })),
    registered: fc.constantFrom('none' as const, 'all' as const, 'even' as const),
    lines: fc.integer({ min: size, max: 40 }),
    inPlaceBytes: fc.integer({ min: 1, max: 2000 }),
    cases: fc.array(caseOf(size), { minLength: 1, maxLength: 12 }),
  }),
);

test('every member gets the rows that are for it', async () => {
  await fc.assert(
    fc.asyncProperty(worlds, async ({ size, ranks, hosts, registered, lines, inPlaceBytes, cases }) => {
      const groups = [{ axis: 'ep', ranks } as const];
      const job: ConformanceJob = { program: 'cases', args: { groups, cases }, registered };
      const results = (await runWorld({
        plan: {
          size,
          groups,
          channels: [],
          timeoutSeconds: 20,
          limits: { chunkBytes: 64 * lines, inPlaceBytes, loopElements: 4 },
          ...(hosts && { hosts: [0, 1].map((host) => [...hosts.keys()].filter((rank) => hosts[rank] === host)) }),
        },
        rankModule: new URL('./conformance-rank.ts', import.meta.url),
        jobs: new Array<ConformanceJob>(size).fill(job),
        pool,
      })) as CaseResult[];
      expect(results.flatMap(({ errors }) => errors)).toEqual([]);
    }),
    { numRuns: 40 },
  );
});
