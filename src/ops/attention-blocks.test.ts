// The walk over blocks: what is computed, what is masked, and that neither skips a key that is seen.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { attentionFlops } from './attention.ts';
import { type Cutting, cutIntoBlocks, type Places, scoresOf, sees } from './attention-blocks.ts';

const inOrder = (tokens: number, each = tokens): Places => ({
  positions: Int32Array.from({ length: tokens }, (_, i) => i % each),
  documents: Int32Array.from({ length: tokens }, (_, i) => Math.floor(i / each)),
});

const anyPlaces = fc
  .array(fc.record({ position: fc.integer({ min: -3, max: 12 }), document: fc.nat(2) }), {
    minLength: 1,
    maxLength: 20,
  })
  .map((tokens) => ({
    positions: tokens.map(({ position }) => position),
    documents: tokens.map(({ document }) => document),
  }));
const anyCutting = fc.record({
  block: fc.integer({ min: 1, max: 6 }),
  group: fc.integer({ min: 1, max: 3 }),
  window: fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined }),
});

test('every key that a query sees is looked at once, and what is not masked is seen', () => {
  fc.assert(
    fc.property(anyPlaces, anyPlaces, anyCutting, (queries, keys, { window, ...rest }) => {
      const cutting: Cutting = { ...rest, ...(window === undefined ? {} : { window }) };
      const looked = new Map<string, boolean>();
      for (const { queries: rows, parts } of cutIntoBlocks(queries, keys, cutting))
        for (const part of parts) {
          expect(part.keys[1] - part.keys[0]).toBeLessThanOrEqual(rest.block);
          for (let i = rows[0]; i < rows[1]; i++)
            for (let j = part.keys[0]; j < part.keys[1]; j++) {
              expect(looked.has(`${i} ${j}`)).toBe(false);
              looked.set(
                `${i} ${j}`,
                part.masked.some(([start, end]) => start <= j && j < end),
              );
            }
        }
      for (let i = 0; i < queries.positions.length; i++)
        for (let j = 0; j < keys.positions.length; j++) {
          const isMasked = looked.get(`${i} ${j}`);
          if (sees(queries, i, keys, j, window)) expect(isMasked).toBeDefined();
          else expect(isMasked).not.toBe(false);
        }
    }),
    { numRuns: 300 },
  );
});

test('packed documents cost what they cost alone, and nothing between them is looked at', () => {
  const size = { kvHeads: 2, group: 4, headDim: 64, valueDim: 64 };
  const flops = (places: Places) => attentionFlops(size, { scale: 1 }, { queries: places, keys: places });
  const [packed, alone] = [flops(inOrder(4096, 512)), flops(inOrder(512))];
  expect(packed.forward).toBe(8 * alone.forward);
  expect(packed.backward).toBe(8 * alone.backward);
});

test('a causal sequence costs little more than the half that is seen; a window what the window is', () => {
  const computed = (tokens: number, window?: number) => {
    const cutting = { group: 1, ...(window === undefined ? {} : { window }) };
    return scoresOf(cutIntoBlocks(inOrder(tokens), inOrder(tokens), cutting), 1);
  };
  // Half a tile more than the half for every query: 64 of 8,192 / 2.
  expect(computed(8192) / (8192 ** 2 / 2)).toBeCloseTo(1 + 128 / 8192, 10);
  expect(computed(32_768, 1024) / computed(16_384, 1024)).toBeLessThan(2.05);
});

test('the parts of a long row are few: their number grows with keys over what stays near a core', () => {
  const strips = cutIntoBlocks(inOrder(32_768), inOrder(32_768), { group: 1 });
  expect(strips.length).toBe(256);
  expect(Math.max(...strips.map(({ parts }) => parts.length))).toBe(32);
  // Only the last part of a strip, at the diagonal, is seen in part.
  for (const { parts } of strips)
    expect(parts.map(({ masked }) => masked.length)).toEqual(parts.map((_, i) => (i === parts.length - 1 ? 1 : 0)));
});
