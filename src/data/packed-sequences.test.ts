// Packed documents from text to sequences: what a rank reads of them, in every order, mixed and held out.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { documentLengths, documentLines, documentText } from '../../test/documents.ts';
import { temporaryFolder } from '../../test/temporary-folder.ts';
import { openSequences, type Sequence } from './sequences.ts';
import { byteTokenizer, type Tokenizer } from './tokenizer.ts';
import { type PreparedData, prepareTokens } from './tokens.ts';

const root = temporaryFolder('packed');

let made = 0;
/** Each text is a line, or each list of texts a source with a weight. */
async function prepare(
  texts: readonly (readonly string[])[],
  packTo: number,
  { tokenizer = byteTokenizer, weights = [1] }: { readonly tokenizer?: Tokenizer; readonly weights?: number[] } = {},
): Promise<PreparedData> {
  made += 1;
  const sources = texts.map((lines, index) => {
    const path = join(root, `${made}-${index}.jsonl`);
    writeFileSync(path, lines.map((text) => `${JSON.stringify({ text })}\n`).join(''));
    return { files: [path], weight: weights[index]! };
  });
  return prepareTokens({ sources, tokenizer, packTo, cacheDirectory: join(root, `${made}`) });
}

interface Part {
  readonly inputs: readonly number[];
  readonly targets: readonly number[];
}

/** The documents of a sequence, after checking all that must be so of any. */
function partsOf({ inputs, targets, positions, documents, weights }: Sequence, seqLen: number): Part[] {
  expect([inputs, targets, positions, documents, weights].map((each) => each?.length)).toEqual(Array(5).fill(seqLen));
  const filled = weights!.lastIndexOf(1) + 1;
  const parts: { inputs: number[]; targets: number[] }[] = [];
  const counted: number[] = [];
  for (let at = 0; at < filled; at += 1) {
    if (at === 0 || documents![at] !== documents![at - 1]) parts.push({ inputs: [], targets: [] });
    counted.push(parts.at(-1)!.inputs.length);
    parts.at(-1)!.inputs.push(inputs[at]!);
    parts.at(-1)!.targets.push(targets[at]!);
  }
  // Contiguous, numbered from 0, each counting its own positions; then padding, as one more.
  const padding = Array.from({ length: seqLen - filled }, (_, i) => i);
  const numbers = parts.flatMap((part, document) => part.inputs.map(() => document));
  const zeros = padding.map(() => 0);
  expect([...positions!]).toEqual([...counted, ...padding]);
  expect([...documents!]).toEqual([...numbers, ...padding.map(() => parts.length)]);
  expect([...weights!]).toEqual([...numbers.map(() => 1), ...zeros]);
  expect([...inputs.subarray(filled), ...targets.subarray(filled)]).toEqual([...zeros, ...zeros]);
  return parts;
}

const END = 256;

/** What the documents are cut into: `end` is predicted after the last token, where there is one. */
const expectedParts = (texts: readonly string[], seqLen: number, end: readonly number[]): Part[] =>
  texts.flatMap((text) => {
    const tokens = [...Buffer.from(text), ...end];
    const parts: Part[] = [];
    for (let start = 0; text !== '' && start + 1 < tokens.length; start += seqLen) {
      const until = Math.min(start + seqLen, tokens.length - 1);
      parts.push({ inputs: tokens.slice(start, until), targets: tokens.slice(start + 1, until + 1) });
    }
    return parts;
  });

const sorted = (parts: readonly Part[]): string[] => parts.map((part) => JSON.stringify(part)).sort();

const { endOfText: _, ...withoutEnd } = byteTokenizer;

const texts = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'ö', '\n'), maxLength: 40 }), {
  minLength: 1,
  maxLength: 25,
});

test('an epoch holds every token of every document once, with the next of its own document as target', async () => {
  const settings = fc.record({
    lines: texts,
    seqLen: fc.integer({ min: 1, max: 30 }),
    seed: fc.nat(),
    epoch: fc.nat({ max: 100 }),
    ends: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(settings, async ({ lines, seqLen, seed, epoch, ends }) => {
      const expected = expectedParts(lines, seqLen, ends ? [END] : []);
      fc.pre(expected.length > 0);
      const prepared = await prepare([lines], seqLen, { tokenizer: ends ? byteTokenizer : withoutEnd });
      const data = openSequences(prepared.sources, { seqLen, seed });
      const order = Array.from({ length: data.count }, (_, i) => data.sequence(epoch * data.count + i));
      // Any position can be asked for by itself.
      const backwards = order.map((_, i) => data.sequence((epoch + 1) * data.count - 1 - i)).reverse();
      data.close();
      expect(backwards).toEqual(order);
      expect(sorted(order.flatMap((sequence) => partsOf(sequence, seqLen)))).toEqual(sorted(expected));
      expect(prepared.packed).toEqual({
        documents: lines.filter((text) => Buffer.from(text).length > (ends ? 0 : 1)).length,
        sequences: data.count,
        filled: expected.reduce((sum, { inputs }) => sum + inputs.length, 0),
      });
    }),
    { numRuns: 60 },
  );
});

test('the seed decides the order of the sequences and nothing about what they hold', async () => {
  const lines = documentLengths({ count: 300, median: 20 }).map((length, d) => documentText(length, d));
  const { sources } = await prepare([lines], 64);
  const all = (seed: number): string[] => {
    const data = openSequences(sources, { seqLen: 64, seed });
    const read = Array.from({ length: data.count }, (_, i) => JSON.stringify(partsOf(data.sequence(i), 64)));
    data.close();
    return read;
  };
  expect(all(1)).toEqual(all(1));
  expect(all(1)).not.toEqual(all(2));
  expect(all(1).sort()).toEqual(all(2).sort());
});

/** A token a character, so that every token of a corpus can be another one. */
const characters: Tokenizer = {
  kind: 'huggingface',
  vocabSize: 2 ** 16,
  endOfText: 0,
  encode: (text) => Int32Array.from(text, (character) => character.codePointAt(0)!),
  decode: (ids) => String.fromCodePoint(...Array.from(ids)),
};

test('packed documents are mixed by weight, and what is held out of them is never trained on', async () => {
  const seqLen = 24;
  const [first, second] = [0x100, 0x5000];
  const linesFrom = (from: number): string[] => {
    let next = from;
    return documentLengths({ count: 200, median: 15, seed: from }).map((length) =>
      String.fromCodePoint(...Array.from({ length }, () => next++)),
    );
  };
  const lines = [linesFrom(first), linesFrom(second)];
  const prepared = await prepare(lines, seqLen, { weights: [3, 1], tokenizer: characters });
  const data = openSequences(prepared.sources, { seqLen, seed: 4, heldOut: 0.1 });
  expect(data.sources.map(({ share }) => share)).toEqual([0.75, 0.25]);
  const inputsOf = (sequence: Sequence): number[] => partsOf(sequence, seqLen).flatMap(({ inputs }) => inputs);
  const held = Array.from({ length: data.validation.count }, (_, i) => inputsOf(data.validation.sequence(i)));
  const trained = Array.from({ length: 4 * data.count }, (_, i) => inputsOf(data.sequence(i)));
  data.close();
  const fromFirst = trained.filter((tokens) => tokens.every((token) => token < second));
  const fromSecond = trained.filter((tokens) => tokens.every((token) => token >= second));
  expect([fromFirst.length, fromSecond.length]).toEqual([3 * data.count, data.count]);
  const seen = new Set(trained.flat());
  expect(held.length).toBeGreaterThan(20);
  expect(held.flat().filter((token) => seen.has(token))).toEqual([]);
  const all = lines.flat().join('');
  expect([...seen, ...held.flat()].sort((a, b) => a - b)).toEqual([...characters.encode(all)]);
});

test('documents of mixed lengths fill their sequences', async () => {
  const path = join(root, 'mixed.jsonl');
  const lengths = documentLengths({ count: 5000, median: 100, seed: 3 });
  writeFileSync(path, documentLines(lengths));
  const { packed, documents } = await prepareTokens({
    ...{ sources: [{ files: [path] }], tokenizer: byteTokenizer, packTo: 512, cacheDirectory: join(root, 'mixed') },
  });
  expect(documents).toBe(5000);
  expect(packed!.filled).toBe(lengths.reduce((sum, length) => sum + length));
  expect(packed!.filled / packed!.sequences / 512).toBeGreaterThan(0.998);
});
