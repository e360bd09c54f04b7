// Lines broken between words, to the letter.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { columnsOf, flow, seenLength, wrap, wrapCommand } from './wrap.ts';

test('text goes on under its begin, a meaning under the meaning, a command after a backslash', () => {
  const text = [
    'Short lines stay.',
    '  one two three four five six seven eight',
    'serial  share of the work that would explain it',
    "  $ fivefold generate --model runs/demo-1 --prompt 'one two three'",
  ].join('\n');
  expect(wrap(text, 28)).toBe(
    `Short lines stay.
  one two three four five
  six seven eight
serial  share of the work
        that would explain
        it
  $ fivefold generate \\
      --model runs/demo-1 \\
      --prompt 'one two three'`,
  );
});

test('a word longer than a line stays whole, colours take no room', () => {
  expect(wrap('see /a/very/long/path/that/fits/nowhere for more', 20)).toBe(
    'see\n/a/very/long/path/that/fits/nowhere\nfor more',
  );
  expect(wrap('\x1b[2mone two\x1b[0m', 7)).toBe('\x1b[2mone two\x1b[0m');
  expect(seenLength('\r\x1b[2K\x1b[1m█░\x1b[0m')).toBe(2);
});

test('paragraphs are filled anew, lists and what fits are not', () => {
  expect(flow('one two three\nfour five six\n\n  a\nb\nc', 8)).toBe('one two\nthree\nfour\nfive six\n\n  a\nb\nc');
});

test('any text keeps its words, and no line that could be broken is too long', () => {
  const word = fc.string({ minLength: 1, maxLength: 12, unit: fc.constantFrom(...'abc-=/') });
  fc.assert(
    fc.property(fc.array(word, { minLength: 1 }), fc.integer({ min: 12, max: 40 }), (words, columns) => {
      const wrapped = wrap(words.join(' '), columns);
      expect(wrapped.split(/\s+/)).toEqual(words);
      for (const line of wrapped.split('\n')) expect(line.length).toBeLessThanOrEqual(columns);
    }),
  );
});

test('a command is the same to a shell', () => {
  const command = "fivefold train --resume runs/a --data 'my notes' docs --steps 8 --json";
  for (let columns = 24; columns < 80; columns++) {
    const wrapped = wrapCommand(command, columns, 2);
    expect(wrapped.replace(/ \\\n\s+/g, ' ')).toBe(command);
    for (const line of wrapped.split('\n').slice(1)) expect(line.length).toBeLessThanOrEqual(columns);
  }
});

test('only a terminal has an end', () => {
  expect(columnsOf({ isTTY: true, columns: 60 })).toBe(60);
  expect(columnsOf({ columns: 60 })).toBe(Number.POSITIVE_INFINITY);
  expect(columnsOf({ isTTY: true })).toBe(Number.POSITIVE_INFINITY);
});
