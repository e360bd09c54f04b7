// Tables to the letter.
import { expect, test } from 'vitest';
import { wantsColour } from './colour.ts';
import { formatTable } from './table.ts';

const audit = {
  head: ['rank', 'what', 'predicted', 'measured', 'difference'],
  rows: [
    [0, 'peak memory', '1.25 GB', '1.21 GB', '+3.1 %'],
    [1, 'FLOP', '83.1 GFLOP', '83.1 GFLOP', '0.0 %'],
    [10, 'time', '2 min 05 s', '?', '-'],
  ],
};

test('numbers and quantities to the right, words to the left', () => {
  expect(formatTable(audit)).toMatchInlineSnapshot(`
    "rank  what          predicted    measured  difference
    ─────────────────────────────────────────────────────
       0  peak memory     1.25 GB     1.21 GB      +3.1 %
       1  FLOP         83.1 GFLOP  83.1 GFLOP       0.0 %
      10  time         2 min 05 s           ?           -"
  `);
});

test('sides can be chosen, cells can be empty or wide', () => {
  expect(
    formatTable({
      head: ['a', 'bee'],
      rows: [
        ['ünï', ''],
        ['→', 5],
      ],
      align: ['right', 'left'],
    }),
  ).toBe(['  a  bee', '────────', 'ünï', '  →  5'].join('\n'));
});

test('no rows', () => {
  expect(formatTable({ head: ['a', 'b'], rows: [] })).toBe('a  b');
});

test('colour changes nothing but the colours', () => {
  const coloured = formatTable({ ...audit, colour: true });
  expect(coloured).toContain('\x1b[1mrank\x1b[0m');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one
  expect(coloured.replace(/\x1b\[[\d;]*m/g, '')).toBe(formatTable(audit));
});

test('colour is for terminals, unless NO_COLOR says no', () => {
  expect(wantsColour({ isTTY: true }, {})).toBe(true);
  expect(wantsColour({ isTTY: true }, { NO_COLOR: '' })).toBe(true);
  expect(wantsColour({ isTTY: true }, { NO_COLOR: '1' })).toBe(false);
  expect(wantsColour({}, {})).toBe(false);
});

test('words are wrapped where that is enough', () => {
  expect(formatTable({ ...audit, columns: 50 })).toMatchInlineSnapshot(`
    "rank  what       predicted    measured  difference
    ──────────────────────────────────────────────────
       0  peak         1.25 GB     1.21 GB      +3.1 %
          memory
       1  FLOP      83.1 GFLOP  83.1 GFLOP       0.0 %
      10  time      2 min 05 s           ?           -"
  `);
});

test('where it is not, the table is cut, and every part begins with its keys', () => {
  expect(formatTable({ ...audit, columns: 40, keys: 2 })).toMatchInlineSnapshot(`
    "rank  what          predicted
    ─────────────────────────────
       0  peak memory     1.25 GB
       1  FLOP         83.1 GFLOP
      10  time         2 min 05 s

    rank  what           measured
    ─────────────────────────────
       0  peak memory     1.21 GB
       1  FLOP         83.1 GFLOP
      10  time                  ?

    rank  what         difference
    ─────────────────────────────
       0  peak memory      +3.1 %
       1  FLOP              0.0 %
      10  time                  -"
  `);
});
