// The table at the end of a run: what was predicted, what was measured, and whether they agree.

import { formatBytes, formatFlops, formatSeconds } from '../units.ts';
import type { ByRank, Figures } from './results.ts';
import { formatTable } from './ui/table.ts';

type Row = readonly [what: string, ranks: string, predicted: string, measured: string, difference: string];

/** A row for every quantity, or several when ranks differ. Memory is shown for the rank that took most beyond what was predicted. */
export function formatFigures(predicted: Figures, measured: Figures, colour: boolean, columns?: number): string {
  const none = predicted.flops.map(() => 0);
  const axes = [...new Set([...Object.keys(predicted.bytesSent), ...Object.keys(measured.bytesSent)])];
  const sent = axes.flatMap((axis) => {
    const of = (figures: Figures): { readonly [op: string]: ByRank | undefined } =>
      figures.bytesSent[axis as keyof Figures['bytesSent']] ?? {};
    const ops = [...new Set([...Object.keys(of(predicted)), ...Object.keys(of(measured))])];
    return ops.flatMap((op) =>
      rows(`bytes sent, ${axis} ${words(op)}`, of(predicted)[op] ?? none, of(measured)[op] ?? none, formatBytes),
    );
  });
  return formatTable({
    head: ['per rank', 'ranks', 'predicted', 'measured', 'difference'],
    rows: [
      ...sent,
      ...rows('matrix FLOPs', predicted.flops, measured.flops, formatFlops),
      ...rows('peak memory', predicted.peakBytes, mostOfAlike(predicted.peakBytes, measured.peakBytes), formatBytes),
      ...processRow(predicted.processBytes, measured.processBytes),
      ...stepRow(predicted.stepSeconds, measured.stepSeconds),
    ],
    align: ['left', 'left', 'right', 'right', 'right'],
    colour,
    ...(columns === undefined ? {} : { columns }),
    keys: 2,
  });
}

/** The whole process's: nothing where one of the two is not known. */
const processRow = (expected: number | undefined, found: number | undefined): Row[] =>
  expected === undefined || found === undefined
    ? []
    : [['process memory', 'together', formatBytes(expected), formatBytes(found), difference(expected, found)]];

/** The median step's: nothing where the machine was not measured. */
const stepRow = (expected: number | undefined, found: number | undefined): Row[] =>
  expected === undefined || found === undefined
    ? []
    : [['time of a step', 'together', formatSeconds(expected), formatSeconds(found), difference(expected, found)]];

/** The largest value among the ranks of which the same was predicted. */
const mostOfAlike = (predicted: ByRank, measured: ByRank): ByRank =>
  predicted.map((expected) => Math.max(...measured.filter((_, rank) => predicted[rank] === expected)));

function rows(what: string, predicted: ByRank, measured: ByRank, format: (value: number) => string): Row[] {
  const groups = new Map<string, number[]>();
  predicted.forEach((expected, rank) => {
    const key = `${expected} ${measured[rank]}`;
    groups.set(key, [...(groups.get(key) ?? []), rank]);
  });
  return [...groups.values()].map((ranks): Row => {
    const [first] = ranks as [number];
    const [expected, found] = [predicted[first]!, measured[first]!];
    const names = ranks.length === predicted.length ? 'all' : ranks.join(', ');
    return [what, names, format(expected), format(found), difference(expected, found)];
  });
}

function difference(expected: number, found: number): string {
  if (found === expected) return 'none';
  if (expected === 0) return 'not predicted';
  const percent = (found / expected - 1) * 100;
  // Never so few digits that a difference looks like none.
  const digits = Math.abs(percent) < 0.1 ? percent.toPrecision(1) : percent.toFixed(1);
  return `${percent < 0 ? '' : '+'}${digits} %`;
}

/** `allReduce` → `all-reduce`. */
const words = (op: string): string => op.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
