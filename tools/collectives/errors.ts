// How far predictions are from measurements.
import { type LinkCosts, secondsOf } from '../../src/plan/cost/collectives.ts';
import type { Row } from './rows.ts';

/** Predicted over measured, less one. */
export const errorOf = ({ talk, cluster, seconds }: Row, costs: LinkCosts): number =>
  secondsOf(talk, cluster, costs) / seconds - 1;

export interface ErrorSummary {
  readonly rows: number;
  readonly median: number;
  readonly p90: number;
  readonly signed: number;
}

export function summarise(errors: readonly number[]): ErrorSummary {
  const sizes = errors.map(Math.abs).toSorted((a, b) => a - b);
  const signed = errors.toSorted((a, b) => a - b);
  const at = (sorted: readonly number[], share: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
  return { rows: errors.length, median: at(sizes, 0.5), p90: at(sizes, 0.9), signed: at(signed, 0.5) };
}

/** As benchmarks give them: what all ranks have together where they gather. */
export function wholeBytes({ talk }: Row): number {
  const ranks = talk.spread.reduce((a, b) => a * b, 1);
  return talk.call === 'allGather' ? talk.bytes * ranks : talk.bytes;
}

export function sizeClass(row: Row): string {
  const bytes = wholeBytes(row);
  if (bytes <= 2 ** 16) return '   up to 64 KiB';
  if (bytes <= 2 ** 22) return '  up to 4 MiB';
  return bytes <= 2 ** 26 ? ' up to 64 MiB' : 'over 64 MiB';
}

/** Errors of each group of rows, as lines of text. */
export function table(rows: readonly Row[], costs: LinkCosts, groupOf: (row: Row) => string): string[] {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const name = groupOf(row);
    groups.set(name, [...(groups.get(name) ?? []), row]);
  }
  const percent = (error: number) => `${(100 * error).toFixed(1)} %`.padStart(9);
  return [...groups]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, members]) => {
      const { rows, median, p90, signed } = summarise(members.map((row) => errorOf(row, costs)));
      return `${name.padEnd(46)}${String(rows).padStart(6)}${percent(median)}${percent(p90)}${percent(signed)}`;
    });
}
