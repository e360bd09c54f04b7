// Packing: every document whole or cut as said, each token once, as full as best fit decreasing can be.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { documentLengths } from '../../test/documents.ts';
import { type DocumentBounds, packDocuments } from './packing.ts';

/** Where documents of so many tokens begin and end in a stream. */
function boundsOf(lengths: readonly number[]): DocumentBounds {
  const bounds = new Float64Array(lengths.length + 1);
  for (const [d, length] of lengths.entries()) bounds[d + 1] = bounds[d]! + length;
  return bounds;
}

const packed = (lengths: readonly number[], seqLen: number, window?: number): number[][] =>
  Array.from(packDocuments(boundsOf(lengths), seqLen, window), (pieces) => [...pieces]);

test('long documents are cut, short ones fill what is left, in the order of the stream', () => {
  // The last token of each is only predicted: 7, 3, 5 and 2 to read.
  expect(packed([8, 4, 6, 3], 5)).toEqual([
    [0, 5],
    [5, 2, 8, 3],
    [12, 5],
    [18, 2],
  ]);
  expect(packed([6], 5)).toEqual([[0, 5]]);
  expect(packed([1, 0, 2, 1], 5)).toEqual([[1, 1]]);
  expect(packed([], 5)).toEqual([]);
  // Apart they cannot fill one another.
  expect(packed([3, 2, 3, 2], 5, 2)).toEqual([
    [0, 2, 3, 1],
    [5, 2, 8, 1],
  ]);
});

const cases = fc.record({
  lengths: fc.array(fc.oneof(fc.nat({ max: 12 }), fc.nat({ max: 60 })), { maxLength: 60 }),
  seqLen: fc.integer({ min: 1, max: 40 }),
  window: fc.integer({ min: 1, max: 70 }),
});

test('each token but the last of a document is read once, by pieces of one document that fit their sequence', () => {
  fc.assert(
    fc.property(cases, ({ lengths, seqLen, window }) => {
      const bounds = boundsOf(lengths);
      const read: number[] = [];
      let lastFirst = -1;
      for (const sequence of packed(lengths, seqLen, window)) {
        let filled = 0;
        let before = -1;
        for (let at = 0; at < sequence.length; at += 2) {
          const [start, length] = [sequence[at]!, sequence[at + 1]!];
          const document = lengths.findIndex((_, d) => start >= bounds[d]! && start < bounds[d + 1]!);
          expect(length).toBeGreaterThan(0);
          expect(start + length).toBeLessThan(bounds[document + 1]!);
          // Cut as late as can be: a piece is at a whole number of sequences, and full or the rest.
          expect((start - bounds[document]!) % seqLen).toBe(0);
          expect(length).toBe(Math.min(seqLen, bounds[document + 1]! - 1 - start));
          expect(start).toBeGreaterThan(before);
          before = start;
          filled += length;
          for (let token = start; token < start + length; token += 1) read.push(token);
        }
        expect(filled).toBeGreaterThan(0);
        expect(filled).toBeLessThanOrEqual(seqLen);
        expect(sequence[0]).toBeGreaterThan(lastFirst);
        lastFirst = sequence[0]!;
      }
      const expected = lengths.flatMap((length, d) =>
        Array.from({ length: Math.max(0, length - 1) }, (_, i) => bounds[d]! + i),
      );
      expect(read.sort((a, b) => a - b)).toEqual(expected);
    }),
  );
});

test('as many sequences as best fit decreasing by a search through all of them', () => {
  fc.assert(
    fc.property(cases, ({ lengths, seqLen }) => {
      const readable = lengths.map((length) => Math.max(0, length - 1));
      const full = readable.reduce((sum, length) => sum + Math.floor(length / seqLen), 0);
      const rests = readable.map((length) => length % seqLen).filter((rest) => rest > 0);
      const room: number[] = [];
      for (const rest of rests.sort((a, b) => b - a)) {
        const fitting = room.filter((left) => left >= rest);
        if (fitting.length === 0) room.push(seqLen - rest);
        else {
          const least = Math.min(...fitting);
          room[room.indexOf(least)] = least - rest;
        }
      }
      expect(packed(lengths, seqLen)).toHaveLength(full + room.length);
    }),
  );
});

test.each([
  [256, 200, 0.999],
  [2048, 200, 0.999],
  [2048, 600, 0.999],
  // The last sequence alone is a hundredth of all.
  [32_768, 60, 0.98],
])('at sequence length %d documents of about %d tokens fill more than %d of it', (seqLen, median, least) => {
  const lengths = documentLengths({ count: 50_000, median, seed: seqLen });
  let sequences = 0;
  for (const _ of packDocuments(boundsOf(lengths), seqLen)) sequences += 1;
  const filled = lengths.reduce((sum, length) => sum + length - 1, 0);
  expect(filled / sequences / seqLen).toBeGreaterThan(least);
});
