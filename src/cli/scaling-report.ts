// The table, the plot and the timelines of `scale`.
import { serialShare } from '../plan/scaling.ts';
import { draw } from '../schedule/draw.ts';
import { formatPercent, formatSeconds } from '../units.ts';
import type { ScaleResult } from './scaling.ts';
import type { PipelineRun } from './scaling-runs.ts';
import { paint } from './ui/colour.ts';
import { plot } from './ui/plot.ts';
import { formatTable } from './ui/table.ts';
import { wrap } from './ui/wrap.ts';

export interface ScalingReport {
  readonly cores: number;
  /** The work grew with the ranks. */
  readonly weak: boolean;
  /** The run that the others are compared with. */
  readonly one: ScaleResult;
  readonly colour: boolean;
  readonly columns: number;
}

export function formatScaling(
  results: readonly ScaleResult[],
  { cores, weak, one, colour, columns }: ScalingReport,
): string {
  const shown = [one, ...results];
  const table = formatTable({
    head: ['ranks', 'layout', ...figures.map(({ name }) => name)],
    rows: shown.map((result) => [
      `${result.ranks}`,
      result === one ? 'one rank' : nameOf(result),
      ...figures.map(({ of }) => of(result, result === one)),
    ]),
    align: ['right', 'left', ...figures.map(() => 'right' as const)],
    columns,
    keys: 2,
    colour,
  });
  const width = Math.max(...figures.map(({ name }) => name.length));
  const legend = figures.flatMap(({ name, meaning }) => (meaning ? [`${name.padEnd(width)}  ${meaning}`] : []));
  const most = Math.max(1, ...results.map(({ ranks }) => ranks));
  const notes = [
    ...(weak ? ['Weak scaling: every rank does as much as the one did; speedup is that of the tokens a second.'] : []),
    ...(most > cores
      ? [`Up to ${most} ranks share ${cores} cores here: no more than ${cores} times is possible.`]
      : []),
  ];
  return [
    '',
    table,
    '',
    ...legend.map((line) => paint(wrap(line, columns), 'dim', colour)),
    ...notes.map((line) => wrap(line, columns)),
    ...speedupPlot(results, { cores, colour, columns }),
  ].join('\n');
}

const nameOf = ({ layout, bySpeed }: ScaleResult): string => (bySpeed === undefined ? layout : `${layout}, by speed`);

/** What dividing the work by speed wins, layout by layout. */
export const winsBySpeed = (results: readonly ScaleResult[]): string[] =>
  results.flatMap((result) => {
    const { layout, bySpeed } = result;
    const alike = results.find((other) => other.layout === layout && other.bySpeed === undefined);
    if (bySpeed === undefined || !alike) return [];
    const measured = (alike.stepSeconds / result.stepSeconds).toFixed(2);
    const estimated = (alike.estimatedSeconds / result.estimatedSeconds).toFixed(2);
    return [`${layout}: ${bySpeed}: ${measured} times as fast as with alike work, ${estimated} estimated`];
  });

interface Figure {
  readonly name: string;
  readonly of: (result: ScaleResult, isOne: boolean) => string;
  readonly meaning?: string;
}

const none = '-';

const figures: readonly Figure[] = [
  { name: 'step', of: ({ stepSeconds }) => formatSeconds(stepSeconds) },
  {
    name: 'estimate',
    of: ({ estimatedSeconds }) => formatSeconds(estimatedSeconds),
    meaning: 'from the one-rank run, the bytes to send, the empty places of the pipeline and the cores',
  },
  {
    name: 'error',
    of: ({ estimatedSeconds, stepSeconds }, isOne) =>
      isOne ? none : signedPercent(estimatedSeconds / stepSeconds - 1),
    meaning: 'of the estimate; below 0: the step took longer',
  },
  { name: 'speedup', of: ({ speedup }) => speedup.toFixed(2) },
  { name: 'efficiency', of: ({ efficiency }) => formatPercent(efficiency) },
  {
    name: 'allowed',
    of: ({ allowedEfficiency }) => (allowedEfficiency < 1 ? formatPercent(allowedEfficiency) : none),
    meaning: 'efficiency that the empty places of the pipeline leave',
  },
  {
    name: 'serial',
    of: (result) => {
      const share = serialShare(result);
      return typeof share === 'number' ? formatPercent(share) : (share ?? none);
    },
    meaning:
      "share of the work that would explain the speedup by Amdahl's law; slower: than one rank; none: faster than n times",
  },
  {
    name: 'talking',
    of: ({ communicationShare }, isOne) => (isOne ? none : formatPercent(communicationShare)),
    meaning: 'share of time in communication, waiting included',
  },
  {
    name: 'imbalance',
    of: ({ imbalance }, isOne) => (isOne ? none : formatPercent(imbalance)),
    meaning: 'how much longer the busiest rank computes than the average',
  },
  {
    name: 'matrix',
    of: ({ matrixShare }) => formatPercent(matrixShare),
    meaning: 'matrix FLOP/s, of what so many ranks reach here that do nothing else',
  },
];

const signedPercent = (fraction: number): string => `${fraction < 0 ? '' : '+'}${formatPercent(fraction)}`;

/** A schedule as it runs with the times that its work took. */
export function formatTimeline(
  layout: string,
  { idleShare, played }: PipelineRun,
  { colour, columns }: Pick<ScalingReport, 'colour' | 'columns'>,
): string {
  const shares = `${formatPercent(idleShare)} of the stages' time is idle; ${formatPercent(played.bubbleFraction)} as the schedule has it`;
  return `\n${wrap(`${layout}: ${shares}`, columns)}\n${draw(played, { width: Math.min(columns, 120), colour })}`;
}

/** Speedup over ranks, a line an axis or a schedule, where every one was measured. */
function speedupPlot(
  results: readonly ScaleResult[],
  { cores, colour, columns }: Pick<ScalingReport, 'cores' | 'colour' | 'columns'>,
): string[] {
  const seriesOf = (result: ScaleResult): string => nameOf(result).replace(`=${result.ranks}`, '');
  const axes = [...new Set(results.map(seriesOf))];
  const of = (axis: string, ranks: number) =>
    results.find((result) => seriesOf(result) === axis && result.ranks === ranks)?.speedup;
  const counts = [...new Set(results.map(({ ranks }) => ranks))].sort((a, b) => a - b);
  const common = counts.filter((ranks) => axes.every((axis) => of(axis, ranks) !== undefined));
  if (common.length === 0) return [];
  const left = counts.filter((ranks) => !common.includes(ranks));
  const note =
    left.length > 0 ? [wrap(`Not in the plot: ${left.join(', ')} ranks, as not every line has them.`, columns)] : [];
  const x = [1, ...common];
  const ideal = { name: 'ideal', values: x.map((ranks) => Math.min(ranks, cores)), stroke: 'dots' } as const;
  const series = axes.map((axis) => ({ name: axis, values: x.map((ranks) => (ranks === 1 ? 1 : of(axis, ranks)!)) }));
  // Beside the area stand the values of the y axis and, below it, `ranks`.
  const width = Math.min(50, columns - 18);
  return [
    '',
    plot({ x, series: [ideal, ...series], xLabel: 'ranks', yLabel: 'speedup', height: 10, width, colour }),
    ...note,
  ];
}
