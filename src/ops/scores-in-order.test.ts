// Scores of tokens in order, counted by arithmetic: as many as the blocks have that attention runs.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cpModes } from '../mesh/layout.ts';
import { keyTokens, queryTokens, sequencePieces, type TokenRange } from '../mesh/sequence.ts';
import { cutIntoBlocks, scoresOf } from './attention-blocks.ts';
import { scoresInOrder } from './scores-in-order.ts';

const placesIn = (ranges: readonly TokenRange[]) => {
  const positions = ranges.flatMap(([start, end]) => Array.from({ length: end - start }, (_, i) => start + i));
  return { positions, documents: new Uint8Array(positions.length) };
};

const cutting = fc.record(
  {
    group: fc.constantFrom(1, 2, 3, 8, 200),
    window: fc.integer({ min: 1, max: 300 }),
    block: fc.integer({ min: 1, max: 40 }),
  },
  { requiredKeys: ['group'] },
);

test('as many as a walk over the blocks counts, for every share of a sequence', () => {
  fc.assert(
    fc.property(
      fc.record({ cp: fc.integer({ min: 1, max: 6 }), cpMode: fc.constantFrom(...cpModes) }),
      fc.integer({ min: 1, max: 70 }),
      cutting,
      (sharing, size, how) => {
        const length = size * sequencePieces(sharing);
        for (let rank = 0; rank < sharing.cp; rank++)
          for (const keys of keyTokens(sharing, length, rank)) {
            const queries = queryTokens(sharing, length, rank);
            const walked = scoresOf(cutIntoBlocks(placesIn(queries), placesIn(keys), how), how.group);
            expect(scoresInOrder(queries, keys, how)).toBe(walked);
          }
      },
    ),
  );
});
