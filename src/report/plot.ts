// Points and lines between two axes. Widths are shares of the page's, so that text is as large on a phone as on a screen.
import { html, type Markup } from './html.ts';
import type { Scale } from './scale.ts';

export interface PlotPoint {
  readonly x: number;
  readonly y: number;
  /** What is said where it is pointed at. */
  readonly title: string;
  /** Beside it. */
  readonly label?: string;
}

export interface Series {
  readonly name: string;
  /** The class of its colour. */
  readonly colour: string;
  readonly points: readonly PlotPoint[];
  /** Points alone; or joined by straight lines; or those with a dashed line and no points. */
  readonly as: 'points' | 'line' | 'dashes';
}

export interface Plot {
  /** For those who do not see it. */
  readonly label: string;
  readonly x: Scale;
  readonly y: Scale;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly formatX: (value: number) => string;
  readonly formatY: (value: number) => string;
  readonly series: readonly Series[];
}

/** Of the width, in percent, and of the height, in pixels. */
const area = { left: 17, right: 93, top: 10, bottom: 262 };
const height = 312;

/** What labels side by side take, in pixels, and what a phone has for them. */
const widthOf = (labels: readonly string[]): number => labels.reduce((sum, { length }) => sum + 7 * length + 6, 0);
const leastWidth = 270;

export function plot({ label, x, y, xLabel, yLabel, formatX, formatY, series }: Plot): Markup {
  const left = (value: number): string => `${(area.left + (area.right - area.left) * x.at(value)).toFixed(3)}%`;
  const top = (value: number): string => (area.bottom - (area.bottom - area.top) * y.at(value)).toFixed(2);
  const rows = y.ticks.map(
    (tick) => html`<line class="grid" x1="${area.left}%" x2="${area.right}%" y1="${top(tick)}" y2="${top(tick)}" />
<text class="right" x="${area.left - 1.5}%" y="${top(tick)}" dy="4">${formatY(tick)}</text>
`,
  );
  const every = Math.ceil(widthOf(x.ticks.map(formatX)) / leastWidth);
  const columns = x.ticks.map(
    (tick, i) =>
      html`<line class="grid" x1="${left(tick)}" x2="${left(tick)}" y1="${area.bottom}" y2="${area.bottom + 5}" />
${i % every === 0 ? html`<text class="middle" x="${left(tick)}" y="${area.bottom + 20}">${formatX(tick)}</text>` : undefined}
`,
  );
  const drawn = series.map(({ colour, points, as }) => {
    const next = (i: number): PlotPoint => points[i + 1]!;
    const lines =
      as === 'points'
        ? []
        : points
            .slice(0, -1)
            .map(
              (from, i) =>
                html`<line class="stroke ${colour} ${as}" x1="${left(from.x)}" y1="${top(from.y)}" x2="${left(next(i).x)}" y2="${top(next(i).y)}" />`,
            );
    const dots =
      as === 'dashes'
        ? []
        : points.map(
            (
              each,
            ) => html`<circle class="${colour}" cx="${left(each.x)}" cy="${top(each.y)}" r="${each.label || as === 'line' ? 5 : 3}" data-x="${each.x}" data-y="${each.y}"><title>${each.title}</title></circle>
${each.label && html`<text x="${left(each.x)}" y="${top(each.y)}" dx="8" dy="-6">${each.label}</text>`}`,
          );
    return html`<g>${lines}${dots}</g>
`;
  });
  return html`<ul class="legend">${series.map(
    ({ name, colour, as }) =>
      html`<li><span class="swatch ${colour} ${as === 'dashes' ? 'dashed' : ''}"></span>${name}</li>`,
  )}</ul>
<p class="axis">${yLabel}</p>
<svg class="plot" width="100%" height="${height}" role="img" aria-label="${label}">
${rows}${columns}<text class="middle" x="${(area.left + area.right) / 2}%" y="${height - 8}">${xLabel}</text>
${drawn}</svg>`;
}
