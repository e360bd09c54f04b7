// The table and the plot of `scale`.
import type { ScaleResult } from './scaling.ts';
import { paint } from './ui/colour.ts';
import { plot } from './ui/plot.ts';
import { formatTable } from './ui/table.ts';
import { formatPercent, formatSeconds } from './ui/units.ts';

export interface ScalingReport {
  readonly cores: number;
  readonly oneRankSeconds: number;
  readonly colour: boolean;
}

export function formatScaling(
  results: readonly ScaleResult[],
  { cores, oneRankSeconds, colour }: ScalingReport,
): string {
  const one = ['1', 'one rank', formatSeconds(oneRankSeconds), '1.00', '100.0 %', '-', '-', '-', '-'];
  const table = formatTable({
    head: ['ranks', 'layout', 'step', 'speedup', 'efficiency', 'allowed', 'serial', 'talking', 'imbalance'],
    rows: [
      one,
      ...results.map((result) => [
        `${result.ranks}`,
        result.layout,
        formatSeconds(result.stepSeconds),
        result.speedup.toFixed(2),
        formatPercent(result.efficiency),
        result.allowedEfficiency < 1 ? formatPercent(result.allowedEfficiency) : '-',
        formatPercent(result.serialFraction),
        formatPercent(result.communicationShare),
        formatPercent(result.imbalance),
      ]),
    ],
    colour,
  });
  const legend = [
    'allowed    efficiency that the empty places of the pipeline leave',
    "serial     share of the work that would explain the speedup by Amdahl's law; below 0: faster than n times",
    'talking    share of time in communication, waiting included',
    'imbalance  how much longer the busiest rank computes than the average',
  ];
  const most = Math.max(1, ...results.map(({ ranks }) => ranks));
  const crowded =
    most > cores ? [`Up to ${most} ranks share ${cores} cores here: no more than ${cores} times is possible.`] : [];
  return [
    '',
    table,
    '',
    ...legend.map((line) => paint(line, 'dim', colour)),
    ...crowded,
    ...speedupPlot(results, cores, colour),
  ].join('\n');
}

/** Speedup over ranks, a line an axis, where every axis was measured. */
function speedupPlot(results: readonly ScaleResult[], cores: number, colour: boolean): string[] {
  const axes = [...new Set(results.map(({ axis }) => axis))];
  const of = (axis: string, ranks: number) =>
    results.find((result) => result.axis === axis && result.ranks === ranks)?.speedup;
  const counts = [...new Set(results.map(({ ranks }) => ranks))].sort((a, b) => a - b);
  const common = counts.filter((ranks) => axes.every((axis) => of(axis, ranks) !== undefined));
  if (common.length === 0) return [];
  const x = [1, ...common];
  const ideal = { name: 'ideal', values: x.map((ranks) => Math.min(ranks, cores)), stroke: 'dots' } as const;
  const series = axes.map((axis) => ({ name: axis, values: x.map((ranks) => (ranks === 1 ? 1 : of(axis, ranks)!)) }));
  return [
    '',
    plot({ x, series: [ideal, ...series], xLabel: 'ranks', yLabel: 'speedup', height: 10, width: 50, colour }),
  ];
}
