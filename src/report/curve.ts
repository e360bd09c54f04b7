// How a layout scales over replicas: speedup of the same batch and of one that grows, against the ideal.
import { type Scaling, serialShare } from '../plan/scaling.ts';
import type { ScalingPoint } from '../plan/training/scaling-curve.ts';
import { formatPercent, formatSeconds } from '../units.ts';
import { html, type Markup, quantity } from './html.ts';
import { plot } from './plot.ts';
import { doublings, logScale } from './scale.ts';
import { table } from './table.ts';

export function curvePicture(points: readonly ScalingPoint[]): Markup {
  const [first, last] = [points[0]!.devices, points.at(-1)!.devices];
  const most = last / first;
  const speedups = points.flatMap(({ strong, weak }) => [strong.speedup, weak.speedup]);
  const without = points.filter(({ strong, weak }) => !strong.fits || !weak.fits).map(({ devices }) => devices);
  const y = logScale(Math.min(1, ...speedups), Math.max(most, ...speedups), doublings(1, most, 6));
  const series = (name: string, colour: string, of: (point: ScalingPoint) => Scaling) => ({
    name,
    colour,
    as: 'line' as const,
    points: points.map((point) => ({
      x: point.devices,
      y: of(point).speedup,
      title: `${name}, ${point.devices} devices: ${of(point).speedup.toFixed(2)} times, efficiency ${formatPercent(of(point).efficiency)}`,
    })),
  });
  return html`${plot({
    label: `speedup from ${first} to ${last} devices: ${points.at(-1)!.strong.speedup.toFixed(2)} times for the same batch, ${points.at(-1)!.weak.speedup.toFixed(2)} times for one that grows; ${most} times would be ideal`,
    x: logScale(first, last, doublings(first, last, 6)),
    y,
    xLabel: 'devices',
    yLabel: `tokens a second, times those of ${first} devices`,
    formatX: (value) => `${value}`,
    formatY: (value) => `${value}`,
    series: [
      {
        name: 'ideal',
        colour: 'grey',
        as: 'dashes',
        points: [first, last].map((devices) => ({ x: devices, y: devices / first, title: '' })),
      },
      series('batch grows', 'orange', ({ weak }) => weak),
      series('same batch', 'blue', ({ strong }) => strong),
    ],
  })}
${table({
  label: 'scaling',
  head: ['devices', 'same batch', 'speedup', 'efficiency', 'serial', 'batch grows', 'efficiency'],
  rows: points.map(({ devices, strong, weak }) => [
    devices,
    quantity(strong.stepSeconds, formatSeconds(strong.stepSeconds)),
    quantity(strong.speedup, strong.speedup.toFixed(2)),
    quantity(strong.efficiency, formatPercent(strong.efficiency)),
    serialText(strong),
    quantity(weak.stepSeconds, formatSeconds(weak.stepSeconds)),
    quantity(weak.efficiency, formatPercent(weak.efficiency)),
  ]),
})}
<p class="note">Serial: the share of the work that would explain the speedup of the same batch by Amdahl’s law.${
    without.length > 0 ? ` On ${without.join(', ')} devices the layout does not fit.` : ''
  }</p>`;
}

function serialText(scaling: Scaling): Markup | string {
  const share = serialShare(scaling);
  return typeof share === 'number' ? quantity(share, formatPercent(share)) : (share ?? '–');
}
