// Streamed text adds up to decoded text and never shows half a character.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { textStream } from './text-stream.ts';
import { byteTokenizer, loadTokenizer } from './tokenizer.ts';

const bpe = loadTokenizer('test/fixtures/tokenizer');

test('a character appears with its last byte', () => {
  const stream = textStream(byteTokenizer);
  const shown = [...byteTokenizer.encode('aö🌊b')].map((id) => stream.push(id));
  expect(shown).toEqual(['a', '', 'ö', '', '', '', '🌊', 'b']);
  expect(stream.push(0xe6)).toBe('');
  expect(stream.end()).toBe('\ufffd');
  expect(stream.push(0x61)).toBe('a');
});

test.each([
  ['bytes', byteTokenizer],
  ['byte pairs', bpe],
])('%s: text in pieces is the text, and no piece but the last has half a character', (_, tokenizer) => {
  const texts = fc.string({ unit: 'binary', maxLength: 30 }).filter((text) => !text.includes('\ufffd'));
  fc.assert(
    fc.property(texts, (text) => {
      const stream = textStream(tokenizer);
      const pieces = [...tokenizer.encode(text)].map((id) => stream.push(id));
      expect(pieces.join('')).toBe(text);
      expect(pieces.every((piece) => !piece.includes('\ufffd'))).toBe(true);
      expect(stream.end()).toBe('');
    }),
  );
});

test.each([
  ['bytes', byteTokenizer],
  ['byte pairs', bpe],
])('%s: any tokens at all add up to what decode gives', (_, tokenizer) => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: tokenizer.vocabSize - 1 }), { maxLength: 30 }), (ids) => {
      const stream = textStream(tokenizer);
      expect(ids.map((id) => stream.push(id)).join('') + stream.end()).toBe(tokenizer.decode(ids));
    }),
  );
});
