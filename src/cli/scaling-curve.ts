// How a predicted layout scales, as a table and a plot for the terminal.
import { serialShare } from '../plan/scaling.ts';
import type { ScalingPoint } from '../plan/training/scaling-curve.ts';
import { formatPercent, formatSeconds } from '../units.ts';
import { plot } from './ui/plot.ts';
import { formatTable } from './ui/table.ts';

interface Shown {
  readonly colour: boolean;
  readonly columns: number;
}

export function showScalingCurve(points: readonly ScalingPoint[], { colour, columns }: Shown): string {
  const table = formatTable({
    head: ['devices', 'same batch', 'speedup', 'efficiency', 'serial', 'batch grows', 'efficiency'],
    rows: points.map(({ devices, strong, weak }) => [
      devices,
      formatSeconds(strong.stepSeconds),
      strong.speedup.toFixed(2),
      formatPercent(strong.efficiency),
      serialText(serialShare(strong)),
      formatSeconds(weak.stepSeconds),
      formatPercent(weak.efficiency),
    ]),
    align: Array.from({ length: 7 }, () => 'right'),
    columns,
    colour,
  });
  return [
    'more replicas of this layout: efficiency of the same batch shared out, and of one that grows with them',
    table,
    // Between two points there is no curve.
    ...(points.length > 2 ? ['', curveOf(points, { colour, columns })] : []),
  ].join('\n');
}

const serialText = (share: ReturnType<typeof serialShare>): string =>
  typeof share === 'number' ? formatPercent(share) : (share ?? '-');

function curveOf(points: readonly ScalingPoint[], { colour, columns }: Shown): string {
  const x = points.map(({ devices }) => Math.log2(devices));
  return plot({
    x,
    series: [
      { name: 'ideal', values: points.map(() => 100), stroke: 'dots' },
      { name: 'batch grows', values: points.map(({ weak }) => 100 * weak.efficiency) },
      { name: 'same batch', values: points.map(({ strong }) => 100 * strong.efficiency) },
    ],
    xLabel: 'devices',
    yLabel: '%',
    formatX: (value) => `${Math.round(2 ** value)}`,
    formatY: (value) => value.toFixed(0),
    height: 8,
    width: Math.max(20, Math.min(60, columns - 18)),
    colour,
  });
}
