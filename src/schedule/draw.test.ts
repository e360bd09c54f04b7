// The pictures of small schedules, as in the papers.
import { expect, test } from 'vitest';
import { draw } from './draw.ts';
import { gpipe } from './gpipe.ts';
import { oneFOneB } from './one-f-one-b.ts';
import { play } from './play.ts';

const papers = { forwardSeconds: () => 1, backwardSeconds: () => 2 };

test('GPipe, 4 stages, 8 microbatches', () => {
  expect(draw(play(gpipe(4, 8), papers))).toMatchInlineSnapshot(`
    "stage 0  0 1 2 3 4 5 6 7 ..................[0 ][1 ][2 ][3 ][4 ][5 ][6 ][7 ]
    stage 1  ..0 1 2 3 4 5 6 7 ............[0 ][1 ][2 ][3 ][4 ][5 ][6 ][7 ]....
    stage 2  ....0 1 2 3 4 5 6 7 ......[0 ][1 ][2 ][3 ][4 ][5 ][6 ][7 ]........
    stage 3  ......0 1 2 3 4 5 6 7 [0 ][1 ][2 ][3 ][4 ][5 ][6 ][7 ]............
    0 forward, [0] backward of microbatch 0; . idle; bubble 27.3 %"
  `);
});

test('1F1B, 4 stages, 8 microbatches', () => {
  expect(draw(play(oneFOneB(4, 8), papers))).toMatchInlineSnapshot(`
    "stage 0  0 1 2 3 ............[0 ]4 [1 ]5 [2 ]6 [3 ]7 [4 ]..[5 ]..[6 ]..[7 ]
    stage 1  ..0 1 2 ........[0 ]3 [1 ]4 [2 ]5 [3 ]6 [4 ]7 [5 ]..[6 ]..[7 ]....
    stage 2  ....0 1 ....[0 ]2 [1 ]3 [2 ]4 [3 ]5 [4 ]6 [5 ]7 [6 ]..[7 ]........
    stage 3  ......0 [0 ]1 [1 ]2 [2 ]3 [3 ]4 [4 ]5 [5 ]6 [6 ]7 [7 ]............
    0 forward, [0] backward of microbatch 0; . idle; bubble 27.3 %"
  `);
});

test('letters when there is no room for numbers', () => {
  expect(draw(play(oneFOneB(4, 8), papers), { width: 45 })).toMatchInlineSnapshot(`
    "stage 0  abcd......AAeBBfCCgDDhEE.FF.GG.HH
    stage 1  .abc....AAdBBeCCfDDgEEhFF.GG.HH..
    stage 2  ..ab..AAcBBdCCeDDfEEgFFhGG.HH....
    stage 3  ...aAAbBBcCCdDDeEEfFFgGGhHH......
    a forward, A backward of microbatch 0, b of microbatch 1; . idle; bubble 27.3 %"
  `);
});

test('with more actions than columns some are left out, and the width is kept', () => {
  const picture = draw(play(oneFOneB(4, 8), papers), { width: 30 });
  expect(picture).toMatchInlineSnapshot(`
    "stage 0  acd...AABBCgDhE.F.G.H
    stage 1  .bc..AdBeCfDgEhF.GHH.
    stage 2  .ab.AcBdCeDEEFFGGH...
    stage 3  ..aABBCCDDEfFgGhH....
    a forward, A backward of microbatch 0, b of microbatch 1; . idle; bubble 27.3 %"
  `);
  const rows = draw(play(oneFOneB(8, 200), papers), { width: 60 })
    .split('\n')
    .slice(0, -1);
  expect(rows).toHaveLength(8);
  for (const row of rows) expect(row.length).toBeLessThanOrEqual(60);
});

test('uneven stages and transfers', () => {
  const uneven = { forwardSeconds: (s: number) => [1, 3][s]!, backwardSeconds: () => 4, sendSeconds: () => 1 };
  expect(draw(play(oneFOneB(2, 3), uneven))).toMatchInlineSnapshot(`
    "stage 0  0 ..1 ..............[0     ]2 ......[1     ]........[2     ]
    stage 1  ....0     [0     ]..1     [1     ]..2     [2     ]..........
    0 forward, [0] backward of microbatch 0; . idle; bubble 40.0 %"
  `);
});

test('colour changes nothing but the colours', () => {
  const played = play(oneFOneB(2, 2), papers);
  const coloured = draw(played, { colour: true });
  expect(coloured).toContain('\x1b[30;104m');
  expect(coloured).toContain('\x1b[30;102m');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one
  expect(coloured.replace(/\x1b\[[\d;]*m/g, '')).toBe(draw(played));
});
