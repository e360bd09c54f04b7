// Stop strings are found however the text is cut into pieces, and no part of one is shown.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { stopStrings } from './stop-strings.ts';

/** Letter by letter: the string that is complete first ends the text, the longer of two that end together. */
function endOf(text: string, strings: readonly string[]): { shown: string; stopped: boolean } {
  for (let end = 1; end <= text.length; end++) {
    const complete = strings.filter((string) => text.slice(0, end).endsWith(string));
    const longest = Math.max(...complete.map((string) => string.length));
    if (complete.length > 0) return { shown: text.slice(0, end - longest), stopped: true };
  }
  return { shown: text, stopped: false };
}

function inPieces(pieces: readonly string[], strings: readonly string[]) {
  const stops = stopStrings(strings);
  const shown: string[] = [];
  for (const piece of pieces) {
    const pushed = stops.push(piece);
    shown.push(pushed.shown);
    if (pushed.stopped) return { shown, stopped: true };
  }
  return { shown: [...shown, stops.end()], stopped: false };
}

test.each([
  [['one\n', '\nUser:', ' two'], ['\n\n'], ['one', '']],
  [['one\n', '\nUser:'], ['\n\nUser:'], ['one', '']],
  [['a', 'b', 'c', 'x'], ['abcd'], ['', '', '', 'abcx', '']],
  [['abcd'], ['c', 'abcd'], ['ab']],
  [['xabc'], ['bc', 'abc'], ['x']],
  [['aab'], ['ab'], ['a']],
  [['any'], [], ['any', '']],
])('%j with %j shows %j', (pieces, strings, shown) => {
  expect(inPieces(pieces, strings).shown).toEqual(shown);
});

test('any text in any pieces: the same text is shown, and of what is not part of it nothing, at no time', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', '🌊'), maxLength: 12 });
  const strings = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', '🌊'), minLength: 1, maxLength: 4 }), {
    maxLength: 3,
  });
  fc.assert(
    fc.property(fc.array(letters, { maxLength: 6 }), strings, (pieces, strings) => {
      const expected = endOf(pieces.join(''), strings);
      const { shown, stopped } = inPieces(pieces, strings);
      expect({ shown: shown.join(''), stopped }).toEqual(expected);
    }),
    { numRuns: 1000 },
  );
});
