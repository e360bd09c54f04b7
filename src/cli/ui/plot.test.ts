// Plots to the letter.
import { expect, test } from 'vitest';
import { plot } from './plot.ts';

const ranks = [1, 2, 3, 4, 8];
const speedup = {
  x: ranks,
  series: [
    { name: 'ideal', values: ranks, stroke: 'dots' as const },
    { name: 'measured', values: [1, 1.9, 2.6, 3.3, 4.1] },
  ],
  xLabel: 'ranks',
  yLabel: 'speedup',
};

test('speedup beside the ideal', () => {
  expect(plot({ ...speedup, width: 50, height: 8 })).toMatchInlineSnapshot(`
    "speedup   ··· ideal   ─── measured
       8.00 ┤                                             ·····
       7.00 ┤                                      ········
       6.00 ┤                               ········
       5.00 ┤                        ········
       4.00 ┤                 ········  ╭──────────────────────
       3.00 ┤          ··╭──────────────╯
       2.00 ┤   ╭────────╯
       1.00 ┤───╯
       0.00 ┤
            └┬──────┬──────┬──────┬───────────────────────────┬
             1      2      3      4                           8  ranks"
  `);
});

test('below zero, not from zero, thousands', () => {
  const losses = { x: [0, 1, 2], xLabel: 'step', yLabel: 'loss', width: 40, height: 4 };
  expect(plot({ ...losses, series: [{ name: 'a', values: [-1, -2, 3] }] })).toMatchInlineSnapshot(`
    " loss   ─── a
     3.00 ┤                                  ╭─────
     1.75 ┤                             ╭────╯
     0.50 ┤                        ╭────╯
    -0.75 ┤─────────────────╮ ╭────╯
    -2.00 ┤                 ╰─╯
          └┬───────────────────┬──────────────────┬
           0                   1                  2  step"
  `);
  expect(
    plot({ ...losses, fromZero: false, series: [{ name: 'a', values: [2e6, 1e6, 1.5e6] }] }),
  ).toMatchInlineSnapshot(`
    "  loss   ─── a
    2.00 M ┤──╮
    1.75 M ┤  ╰────╮
    1.50 M ┤       ╰────╮                     ╭─────
    1.25 M ┤            ╰────╮      ╭─────────╯
    1.00 M ┤                 ╰──────╯
           └┬───────────────────┬──────────────────┬
            0                   1                  2  step"
  `);
});

test('one point, and a flat line at zero', () => {
  const flat = { series: [{ name: 'a', values: [0] }], x: [1], xLabel: 'ranks', yLabel: 'y', width: 10, height: 2 };
  expect(plot(flat)).toMatchInlineSnapshot(`
    "   y   ─── a
    1.00 ┤
    0.50 ┤
    0.00 ┤──────────
         └┬─────────
          1  ranks"
  `);
  expect(plot({ ...flat, x: [1, 2], series: [{ name: 'a', values: [5, 5] }] })).toMatchInlineSnapshot(`
    "   y   ─── a
    5.00 ┤──────────
    2.50 ┤
    0.00 ┤
         └┬────────┬
          1        2  ranks"
  `);
});

test('labels that would touch are left out', () => {
  const x = Array.from({ length: 64 }, (_, i) => i + 1);
  const lines = plot({ ...speedup, x, series: [{ name: 'a', values: x }], width: 30 }).split('\n');
  const shown = lines.at(-1)!.trim().split(/\s+/);
  expect(shown.at(-1)).toBe('ranks');
  for (const label of shown.slice(0, -1)) expect(x).toContain(Number(label));
});

test('nothing to draw', () => {
  expect(plot({ ...speedup, x: [] })).toBe('');
});

test('colour changes nothing but the colours', () => {
  const coloured = plot({ ...speedup, colour: true });
  expect(coloured).toContain('\x1b[33m');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one
  expect(coloured.replace(/\x1b\[[\d;]*m/g, '')).toBe(plot(speedup));
});
