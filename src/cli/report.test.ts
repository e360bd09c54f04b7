// The table of predicted and measured figures, and how figures of ranks are put together.
import { expect, test } from 'vitest';
import { formatFigures } from './report.ts';
import { byRank, type Figures } from './results.ts';

const predicted: Figures = {
  peakBytes: [50_000_000, 50_000_000, 40_000_000],
  processBytes: 240_000_000,
  bytesSent: { pp: { send: [1000, 2000, 1000] }, tp: { allReduce: [8, 8, 8] } },
  flops: [3e9, 3e9, 3e9],
};

test('ranks that differ have rows of their own; what differs or was not predicted shows', () => {
  const measured: Figures = {
    peakBytes: [50_500_000, 51_000_000, 40_000_001],
    processBytes: 246_000_000,
    bytesSent: { pp: { send: [1000, 2000, 1000] }, tp: { allReduce: [8, 8, 16] }, world: { broadcast: [4, 4, 4] } },
    flops: [3e9, 3e9, 3e9],
  };
  expect(`\n${formatFigures(predicted, measured, false)}`).toMatchInlineSnapshot(`
    "
    per rank                     ranks      predicted    measured     difference
    ────────────────────────────────────────────────────────────────────────────
    bytes sent, pp send          0, 2         1.00 kB     1.00 kB           none
    bytes sent, pp send          1            2.00 kB     2.00 kB           none
    bytes sent, tp all-reduce    0, 1             8 B         8 B           none
    bytes sent, tp all-reduce    2                8 B        16 B       +100.0 %
    bytes sent, world broadcast  all              0 B         4 B  not predicted
    matrix FLOPs                 all       3.00 GFLOP  3.00 GFLOP           none
    peak memory                  0, 1         50.0 MB     51.0 MB         +2.0 %
    peak memory                  2            40.0 MB     40.0 MB    +0.000003 %
    process memory               together      240 MB      246 MB         +2.5 %"
  `);
});

test('a rank that takes no part in a collective sent 0 bytes', () => {
  expect(byRank([{ pp: { send: 5 } }, { pp: { allReduce: 7 } }, {}])).toEqual({
    pp: { send: [5, 0, 0], allReduce: [0, 7, 0] },
  });
});

test('the memory of the process is left out where it was not measured', () => {
  const { processBytes: _, ...unmeasured } = predicted;
  expect(formatFigures(predicted, predicted, false)).toContain('process memory');
  expect(formatFigures(predicted, unmeasured, false)).not.toContain('process memory');
});
