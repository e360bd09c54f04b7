// Line plots for the terminal: one or several series over common x values, with both axes labelled.

import { formatCount } from '../../units.ts';
import { paint, type Style } from './colour.ts';

export interface PlotSeries {
  readonly name: string;
  /** One finite value for each x. */
  readonly values: readonly number[];
  /** Dots for what is only compared with, such as the ideal; a line when not given. */
  readonly stroke?: 'line' | 'dots';
}

export interface PlotOptions {
  /** Ascending. */
  readonly x: readonly number[];
  /** Later series are drawn over earlier ones. */
  readonly series: readonly PlotSeries[];
  readonly xLabel: string;
  readonly yLabel: string;
  /** Columns of the plotted area; 60 when not given. */
  readonly width?: number;
  /** Rows of the plotted area, less one; 12 when not given. */
  readonly height?: number;
  /** Whether the y axis begins at 0 when all values are on one side of it; true when not given. */
  readonly fromZero?: boolean;
  readonly formatX?: (value: number) => string;
  /** Two digits after the point, or k, M, B from a thousand on, when not given. */
  readonly formatY?: (value: number) => string;
  readonly colour?: boolean;
}

const styles: readonly Style[] = ['cyan', 'yellow', 'magenta', 'green', 'blue', 'red'];

/** The plot as lines without a newline at the end. Empty when there is no x or no series. */
export function plot(options: PlotOptions): string {
  const { x, series, width = 60, height = 12, fromZero = true, formatX = String, colour = false } = options;
  if (x.length === 0 || series.length === 0) return '';
  const all = series.flatMap(({ values }) => values);
  const min = Math.min(...all, ...(fromZero ? [0] : []));
  const top = Math.max(...all, ...(fromZero ? [0] : []));
  const max = top > min ? top : min + 1;
  const formatY = options.formatY ?? (Math.max(-min, max) < 1000 ? twoDigits : formatCount);
  const labelWidth = Math.max(formatY(min).length, formatY(max).length, options.yLabel.length);
  // The rows' values are multiples of a row's height, so that 0 is one of them when it is in between.
  const perRow = (max - min) / height;
  const rowOf = (value: number): number => Math.round(max / perRow) - Math.round(value / perRow);
  const last = rowOf(min);
  const area = Array.from({ length: last + 1 }, () => Array<string>(width).fill(' '));
  for (const [index, { values, stroke }] of series.entries())
    draw(sample(x, values, width).map(rowOf), (row, column, symbol) => {
      area[row]![column] = paint(stroke === 'dots' ? '·' : symbol, styleOf(index), colour);
    });
  const rows = area.map((cells, row) =>
    `${formatY(max - (row * (max - min)) / last).padStart(labelWidth)} ┤${cells.join('')}`.trimEnd(),
  );
  const blank = ' '.repeat(labelWidth + 1);
  const legend = series.map(
    ({ name, stroke }, i) => `${paint(stroke === 'dots' ? '···' : '───', styleOf(i), colour)} ${name}`,
  );
  return [
    `${options.yLabel.padStart(labelWidth)}   ${legend.join('   ')}`,
    ...rows,
    `${blank}└${ticks(x, width)}`,
    `${blank} ${tickLabels(x, width, formatX)}  ${options.xLabel}`,
  ].join('\n');
}

const styleOf = (series: number): Style => styles[series % styles.length]!;
const twoDigits = (value: number) => value.toFixed(2);

/** The column of an x: the first at the left edge, the last at the right. */
function columnOf(x: readonly number[], value: number, width: number): number {
  const first = x[0]!;
  const range = x.at(-1)! - first;
  return range === 0 ? 0 : Math.round(((value - first) / range) * (width - 1));
}

/** Puts the symbols of a line that goes through these rows, from each column to the next. */
function draw(rows: readonly number[], put: (row: number, column: number, symbol: string) => void): void {
  for (let column = 0; column + 1 < rows.length; column++) {
    const [from, to] = [rows[column]!, rows[column + 1]!];
    if (from === to) put(from, column, '─');
    else {
      put(to, column, from < to ? '╰' : '╭');
      put(from, column, from < to ? '╮' : '╯');
      for (let row = Math.min(from, to) + 1; row < Math.max(from, to); row++) put(row, column, '│');
    }
  }
}

/** Values on the straight lines between the points: one a column, and one to end with. */
function sample(x: readonly number[], values: readonly number[], width: number): number[] {
  const first = x[0]!;
  const range = x.at(-1)! - first;
  let segment = 0;
  return Array.from({ length: width + 1 }, (_, column) => {
    const at = first + (Math.min(column, width - 1) / Math.max(1, width - 1)) * range;
    while (segment + 2 < x.length && x[segment + 1]! < at) segment++;
    const left = x[segment]!;
    const right = x[segment + 1] ?? left;
    const part = right > left ? (at - left) / (right - left) : 0;
    return values[segment]! + part * ((values[segment + 1] ?? values[segment]!) - values[segment]!);
  });
}

function ticks(x: readonly number[], width: number): string {
  const row = Array<string>(width).fill('─');
  for (const value of x) row[columnOf(x, value, width)] = '┬';
  return row.join('');
}

/** Each x under its tick; those that would touch the one before are left out. */
function tickLabels(x: readonly number[], width: number, format: (value: number) => string): string {
  let row = '';
  for (const value of x) {
    const column = columnOf(x, value, width);
    if (row === '' || column > row.length) row = row.padEnd(column) + format(value);
  }
  return row;
}
