// The pictures of small schedules, as in the papers.
import { expect, test } from 'vitest';
import { timing } from '../../test/schedule-cases.ts';
import { draw } from './draw.ts';
import { gpipe } from './gpipe.ts';
import { interleaved } from './interleaved.ts';
import { oneFOneB } from './one-f-one-b.ts';
import { play, type Timing } from './play.ts';
import { streaming } from './streaming.ts';
import { zeroBubbleH1 } from './zero-bubble-h1.ts';

const papers = timing(1, 1, 1);

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

test('ZB-H1, 4 stages, 8 microbatches', () => {
  const picture = draw(play(zeroBubbleH1(4, 8), papers), { width: 100 });
  expect(picture).toMatchInlineSnapshot(`
    "stage 0  0  1  2  3  .........[0]{0}4  [1]{1}5  [2]{2}6  [3]{3}7  [4]{4}[5]{5}[6]{6}[7]{7}
    stage 1  ...0  1  2  ......[0]3  [1]{0}4  [2]{1}5  [3]{2}6  [4]{3}7  [5]{4}[6]{5}[7]{6}{7}
    stage 2  ......0  1  ...[0]2  [1]3  [2]{0}4  [3]{1}5  [4]{2}6  [5]{3}7  [6]{4}[7]{5}{6}{7}
    stage 3  .........0  [0]1  [1]2  [2]3  [3]{0}4  [4]{1}5  [5]{2}6  [6]{3}7  [7]{4}{5}{6}{7}
    0 forward, [0] gradient of its input, {0} of weights of microbatch 0; . idle; bubble 11.1 %"
  `);
  expect(draw(play(zeroBubbleH1(4, 8), papers), { width: 45 })).toMatchInlineSnapshot(`
    "stage 0  abcd...A+eB+fC+gD+hE+F+G+H+
    stage 1  .abc..AdB+eC+fD+gE+hF+G+H++
    stage 2  ..ab.AcBdC+eD+fE+gF+hG+H+++
    stage 3  ...aAbBcCdD+eE+fF+gG+hH++++
    a forward, A gradient of its input, + of weights of microbatch 0, b of microbatch 1; . idle; bubble 11.1 %"
  `);
});

test('interleaved 1F1B, 4 stages of 2 chunks, 8 microbatches', () => {
  const played = play(interleaved(4, 8, 2), papers);
  expect(draw(played, { width: 250 })).toMatchInlineSnapshot(`
    "stage 0  0.0 1.0 2.0 3.0 0.1 1.1 2.1 3.1 4.0 5.0 6.0 ............[0.1   ]7.0 [1.1   ]....4.1 [2.1   ]5.1 [3.1   ]6.1 [0.0   ]7.1 [1.0   ][2.0   ]....[3.0   ]....[4.1   ]....[5.1   ]....[6.1   ]....[7.1   ][4.0   ][5.0   ][6.0   ][7.0   ]
    stage 1  ....0.0 1.0 2.0 3.0 0.1 1.1 2.1 3.1 4.0 ........[0.1   ]5.0 [1.1   ]6.0 [2.1   ]7.0 [3.1   ]4.1 [0.0   ]5.1 [1.0   ]6.1 [2.0   ]7.1 [3.0   ]....[4.1   ]....[5.1   ]....[6.1   ]....[7.1   ][4.0   ][5.0   ][6.0   ][7.0   ]........
    stage 2  ........0.0 1.0 2.0 3.0 0.1 1.1 2.1 ....[0.1   ]3.1 [1.1   ]4.0 [2.1   ]5.0 [3.1   ]6.0 [0.0   ]7.0 [1.0   ]4.1 [2.0   ]5.1 [3.0   ]6.1 [4.1   ]7.1 [5.1   ]....[6.1   ]....[7.1   ][4.0   ][5.0   ][6.0   ][7.0   ]................
    stage 3  ............0.0 1.0 2.0 3.0 0.1 [0.1   ]1.1 [1.1   ]2.1 [2.1   ]3.1 [3.1   ]4.0 [0.0   ]5.0 [1.0   ]6.0 [2.0   ]7.0 [3.0   ]4.1 [4.1   ]5.1 [5.1   ]6.1 [6.1   ]7.1 [7.1   ][4.0   ][5.0   ][6.0   ][7.0   ]........................
    0.1 forward, [0.1] backward of microbatch 0, chunk 1; . idle; bubble 15.8 %"
  `);
  expect(draw(played, { width: 120 })).toMatchInlineSnapshot(`
    "stage 0  abcdabcdefg...A1hB1.eC1fD1gA0hB0C0.D0.E1.F1.G1.H1E0F0G0H0
    stage 1  .abcdabcde..A1fB1gC1hD1eA0fB0gC0hD0.E1.F1.G1.H1E0F0G0H0..
    stage 2  ..abcdabc.A1dB1eC1fD1gA0hB0eC0fD0gE1hF1.G1.H1E0F0G0H0....
    stage 3  ...abcdaA1bB1cC1dD1eA0fB0gC0hD0eE1fF1gG1hH1E0F0G0H0......
    a1 forward, A1 backward of microbatch 0, chunk 1, b of microbatch 1; . idle; bubble 15.8 %"
  `);
  expect(draw(played, { width: 50 })).toMatchInlineSnapshot(`
    "stage 0  acdacdfg..A1B1eC1D1A0hBC.D0E1F1.G.HE0FG0H
    stage 1  .abcdbce..AfBgChD1A0B0gChD.E.F.G1H1EF0GH0.
    stage 2  .abcab.A1B1eCfDgAhBeC0D0E1hF.G.HE0FG0H...
    stage 3  ..abdaAbBcC1D1A0fBgChDeEfF1G1H1EF0GH0....
    a1 forward, A1 backward of microbatch 0, chunk 1, b of microbatch 1; . idle; bubble 15.8 %"
  `);
});

test('streaming has no backwards to draw', () => {
  expect(draw(play(streaming(3, 4), papers), { width: 30 })).toMatchInlineSnapshot(`
    "stage 0  0  1  2  3  ......
    stage 1  ...0  1  2  3  ...
    stage 2  ......0  1  2  3  
    0 forward of microbatch 0; . idle; bubble 33.3 %"
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
  const uneven: Timing = { workSeconds: (s, { kind }) => (kind === 'forward' ? [1, 3][s]! : 4), sendSeconds: () => 1 };
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
  // The second chunk is darker, weight gradients are yellow.
  expect(draw(play(interleaved(2, 2, 2), papers), { colour: true })).toContain('\x1b[97;44m');
  expect(draw(play(zeroBubbleH1(2, 2), papers), { colour: true })).toContain('\x1b[30;103m');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one
  expect(coloured.replace(/\x1b\[[\d;]*m/g, '')).toBe(draw(played));
});
