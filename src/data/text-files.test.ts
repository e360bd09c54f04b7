// Where a text is cut: at places where the tokenizers in use begin a new word anyway.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cutPoint } from './text-files.ts';

/** The patterns that split text into words before byte-pair merging. A merge never crosses two words. */
const words = {
  gpt2: /'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu,
  llama3:
    /'(?:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+/giu,
  qwen2: /'(?:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+/giu,
};

const pieces = (text: string): [string, string] => {
  const bytes = Buffer.from(text);
  const cut = cutPoint(bytes);
  return [bytes.toString('utf8', 0, cut), bytes.toString('utf8', cut)];
};

const unit = fc.constantFrom('a', 'Ö', '7', '.', "'s", ' ', '\n', '\n', '\r', '\t', '河', '🌊');

test.each(Object.entries(words))('the words of %s are the same with a cut after a lone line end', (_, pattern) => {
  const split = (text: string): string[] => text.match(pattern) ?? [];
  // The second half has a lone line end, so the cut is at such a place.
  const texts = fc.tuple(fc.string({ unit, maxLength: 30 }), fc.string({ unit, maxLength: 12 }));
  fc.assert(
    fc.property(texts, ([before, after]) => {
      const text = `${before}${'x'.repeat(100)}.\n${after === '' || /^\s/.test(after) ? '"' : ''}${after}`;
      const [left, right] = pieces(text);
      expect(left + right).toBe(text);
      expect([...split(left), ...split(right)]).toEqual(split(text));
    }),
    { numRuns: 300 },
  );
});

test.each([
  ['one two three\nccc\n\nddd', 'one two three\n', 'ccc\n\nddd', 'a lone line end rather than a later double one'],
  ['one two three\nccc\n  ddd', 'one two three\n', 'ccc\n  ddd', 'or one before an indent'],
  ['a\nb ccccccccc', 'a\n', 'b ccccccccc', 'any line end rather than a space'],
  ['one two three', 'one two', ' three', 'before the last space'],
])('%j is cut into %j and %j: %s', (text, left, right) => {
  expect(pieces(text)).toEqual([left, right]);
});

test('a text without any white space is cut between two characters', () => {
  const waves = Buffer.from('\u{1f30a}\u{1f30a}');
  expect([5, 6, 7, 8].map((read) => cutPoint(waves.subarray(0, read)))).toEqual([4, 4, 4, 8]);
});
