// Dealing packed documents out: everything once, as many tokens everywhere, and more evenly by cost than by count.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { configJson } from '../../test/small-models.ts';
import { parseLayout } from '../mesh/layout.ts';
import { parseModelConfig } from '../model/families.ts';
import { attentionCost, dealByCost, documentsIn, stepOrder, tokenShares } from './balance.ts';

const config = parseModelConfig(
  configJson({
    ...{ family: 'llama', heads: 4, kvHeads: 2, headDim: 4, hidden: 24, mlp: 32, vocab: 20, layers: 2 },
    ...{ tied: false, biases: true, window: 5 },
  }),
  'llama',
);

/** The document of every token, given their lengths; the last takes what is left. */
function sequenceOf(lengths: readonly number[], seqLen: number): Int32Array {
  const documents = new Int32Array(seqLen);
  let start = 0;
  for (const [index, length] of lengths.entries()) {
    documents.fill(index, start);
    start += length;
  }
  return documents;
}

const lengths = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 40 });

test('a document is told by where its tokens begin and end', () => {
  expect(documentsIn(sequenceOf([2, 1, 3], 8))).toEqual([
    [0, 2],
    [2, 3],
    [3, 8],
  ]);
});

test('a cost counts what every query sees, and half a tile', () => {
  // 1 + 2 + 3 and 1 + 2 pairs, and 5 tokens by half of 4 keys.
  expect(attentionCost([0, 0, 0, 1, 1], { config, attentionBlock: 4 })).toBe(6 + 3 + 10);
  const window = { ...config, window: 2 };
  expect(attentionCost([0, 0, 0, 1, 1], { config: window, attentionBlock: 4 })).toBe(5 + 3 + 10);
});

test('items are dealt out each once, as many to every bin, no bin above the mean by more than an item', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 6 }),
      fc.infiniteStream(fc.nat(1000)),
      (bins, room, drawn) => {
        const costs = Array.from({ length: bins * room }, () => drawn.next().value);
        const dealt = dealByCost(costs, bins, room);
        expect(dealt.map(({ length }) => length)).toEqual(Array.from({ length: bins }, () => room));
        expect(dealt.flat().sort((a, b) => a - b)).toEqual(costs.map((_, item) => item));
      },
    ),
  );
});

test('a costly sequence is alone where cheap ones are together, as far as there is room', () => {
  expect(dealByCost([1, 1, 9, 1, 1, 1], 2, 3)).toEqual([
    [2, 4, 5],
    [0, 1, 3],
  ]);
});

test('the order of a step is one of all its sequences; by count it is theirs', () => {
  const settings = { config, layout: parseLayout('dp=2'), microBatch: 2, microbatches: 2 } as const;
  const step = Array.from({ length: 8 }, (_, i) =>
    sequenceOf(
      Array.from({ length: i + 1 }, () => 7),
      64,
    ),
  );
  const order = (packed: 'by-count' | 'balanced') => stepOrder({ ...settings, packed }, (index) => step[index]!);
  expect(order('by-count')).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  expect(order('balanced').toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  const most = (dealt: readonly number[]) => {
    const costs = dealt.map((index) => attentionCost(step[index]!, settings));
    const sum = (from: number) => costs.slice(from, from + 4).reduce((a, b) => a + b);
    return Math.max(sum(0), sum(4));
  };
  expect(most(order('balanced'))).toBeLessThan(most(order('by-count')));
});

test('every token is on one rank, as many on each, whatever the documents', () => {
  const layouts = ['cp=2', 'cp=4', 'cp=2,cpMode=gather', 'cp=3,cpMode=ulysses'];
  fc.assert(
    fc.property(lengths, fc.constantFrom(...layouts), fc.constantFrom(1, 4, 128), (documents, text, attentionBlock) => {
      const layout = parseLayout(text);
      const seqLen = layout.cp * 128;
      const given = sequenceOf(documents, seqLen);
      const shares = tokenShares({ config, layout, seqLen, packed: 'balanced', attentionBlock }, given);
      const tokens = shares.map((ranges) =>
        ranges.flatMap(([start, end]) => Array.from({ length: end - start }, (_, i) => start + i)),
      );
      expect(tokens.map(({ length }) => length)).toEqual(Array.from({ length: layout.cp }, () => 128));
      expect(tokens.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: seqLen }, (_, i) => i));
      for (const own of tokens) expect(own).toEqual(own.toSorted((a, b) => a - b));
    }),
    { numRuns: 60 },
  );
});

test('a long document in the middle of a sequence is shared out, where a zigzag of the sequence leaves it to one rank', () => {
  const layout = parseLayout('cp=2,cpMode=gather');
  const settings = { config, layout, seqLen: 2048, attentionBlock: 16 };
  const documents = sequenceOf(
    [...Array.from({ length: 16 }, () => 32), 1024, ...Array.from({ length: 16 }, () => 32)],
    2048,
  );
  const ofLong = (packed: 'by-count' | 'balanced') =>
    tokenShares({ ...settings, packed }, documents).map((ranges) =>
      ranges.reduce((sum, [start, end]) => sum + Math.max(0, Math.min(end, 1536) - Math.max(start, 512)), 0),
    );
  expect(ofLong('by-count')).toEqual([0, 1024]);
  expect(ofLong('balanced')).toEqual([512, 512]);
});
