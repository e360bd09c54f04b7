// Throughput against latency: all deployments and loads that were looked at, and those of them that no other beats in both.
import { printDeployment } from '../plan/deployments/deployment-text.ts';
import { servingFront } from '../plan/deployments/front.ts';
import type { Loaded } from '../plan/deployments/task.ts';
import { formatSeconds } from '../units.ts';
import { labelled } from './front.ts';
import { html, layoutText, type Markup, quantity } from './html.ts';
import { type PlotPoint, plot } from './plot.ts';
import { linearScale } from './scale.ts';
import { table } from './table.ts';

/** More dots make a page that a phone is slow to draw. */
const mostDots = 1500;
/** Of the front, so many that are spread over it evenly. */
const mostRows = 16;

const speedOf = ({ prediction }: Loaded): number => 1 / prediction.secondsPerOutputToken.mean;
const throughputOf = ({ prediction }: Loaded): number => prediction.outputTokensPerSecondPerDevice;

/** `points`: at least one. */
export function servingFrontPicture(points: readonly Loaded[]): Markup {
  const front = servingFront(points);
  const rows = spread(front, mostRows);
  const dots = spread(points, mostDots);
  const x = linearScale(0, Math.max(...points.map(speedOf)), 4);
  const y = linearScale(0, Math.max(...points.map(throughputOf)));
  const pointOf = (each: Loaded): PlotPoint => ({
    x: speedOf(each),
    y: throughputOf(each),
    title: `${printDeployment(each.deployment)}, ${Math.round(each.concurrency)} under way: ${speedOf(each).toFixed(0)} tokens/s of a request, ${throughputOf(each).toFixed(0)} a device`,
  });
  return html`${plot({
    label: `${points.length} deployments and loads by tokens a second of a request and of a device; those that no other beats in both are in the table below`,
    x,
    y,
    xLabel: 'tokens/s of a request',
    yLabel: 'tokens/s a device',
    formatX: (value) => `${value}`,
    formatY: (value) => `${value}`,
    series: [
      { name: 'deployments and loads', colour: 'grey', as: 'points', points: dots.map(pointOf) },
      {
        name: 'the front, numbered',
        colour: 'blue',
        as: 'line',
        points: labelled(rows.map(pointOf), (point) => [x.at(point.x), y.at(point.y)]),
      },
    ],
  })}
${rows.length < front.length ? html`<p class="note">${rows.length} of the ${front.length} on the front.</p>` : undefined}
${table({
  label: 'the front',
  head: ['', 'deployment', 'requests under way', 'tokens/s of a request', 'tokens/s a device', 'first token'],
  words: [1],
  rows: rows.map((each, i) => [
    i + 1,
    layoutText(printDeployment(each.deployment)),
    Math.round(each.concurrency),
    quantity(speedOf(each), speedOf(each).toFixed(0)),
    quantity(throughputOf(each), throughputOf(each).toFixed(0)),
    quantity(each.prediction.secondsToFirstToken.mean, formatSeconds(each.prediction.secondsToFirstToken.mean)),
  ]),
})}`;
}

/** At most so many, the first and the last among them. */
const spread = <T>(all: readonly T[], most: number): readonly T[] =>
  all.length <= most
    ? all
    : Array.from({ length: most }, (_, i) => all[Math.round((i * (all.length - 1)) / (most - 1))]!);
