// Microbatches of replicas, against all ways to share them out.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { replicaShares } from './replica-shares.ts';

function allShares(microbatches: number, replicas: number): number[][] {
  if (replicas === 1) return [[microbatches]];
  return Array.from({ length: microbatches - replicas + 1 }, (_, i) => i + 1).flatMap((share) =>
    allShares(microbatches - share, replicas - 1).map((rest) => [share, ...rest]),
  );
}

test('every microbatch is done once, every replica has one, and no other way is done sooner', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 16 }), { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 0, max: 8 }),
      (seconds, more) => {
        const microbatches = seconds.length + more;
        const shares = replicaShares(microbatches, seconds);
        const longest = (tried: readonly number[]) => Math.max(...tried.map((share, dp) => share * seconds[dp]!));
        expect(shares.reduce((sum, share) => sum + share, 0)).toBe(microbatches);
        expect(Math.min(...shares)).toBeGreaterThanOrEqual(1);
        expect(longest(shares)).toBe(Math.min(...allShares(microbatches, seconds.length).map(longest)));
      },
    ),
    { numRuns: 300 },
  );
});

test('replicas that are alike have as many', () => {
  expect(replicaShares(12, [2, 2, 2])).toEqual([4, 4, 4]);
});
