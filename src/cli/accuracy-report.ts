// What `accuracy` shows people: figures by table, the rows that are furthest off, and those that were not predicted.
import {
  type Figures,
  figuresOf,
  type JudgedRow,
  type ServingMetric,
  servingMetrics,
} from '../plan/accuracy/figures.ts';
import type { TableKind } from '../plan/accuracy/table.ts';
import { formatCount, formatPercent, formatSeconds } from '../units.ts';
import { paint } from './ui/colour.ts';
import { formatTable } from './ui/table.ts';
import { wrap } from './ui/wrap.ts';

export interface JudgedTable {
  readonly name: string;
  readonly kind: TableKind;
  readonly rows: readonly JudgedRow[];
}

interface Look {
  readonly colour: boolean;
  readonly columns: number;
}

const worstShown = 20;
/** Of rows that were not predicted for one reason. */
const idsShown = 6;

export function formatAccuracy(tables: readonly JudgedTable[], look: Look): string {
  const all = tables.filter(({ kind }) => kind !== 'operators').flatMap(({ rows }) => rows);
  const parts = [byTable(tables, all, look)];
  const served = byMetric(tables, look);
  if (served !== '') parts.push(titled('Of served requests', served, look));
  const worst = worstRows(tables, look);
  if (worst !== '') parts.push(titled('Furthest off', worst, look));
  const skipped = skippedRows(tables, look);
  if (skipped !== '') parts.push(titled('Not predicted', skipped, look));
  return parts.join('\n\n');
}

const titled = (title: string, text: string, { colour }: Look): string => `${paint(title, 'bold', colour)}\n${text}`;

const shareOf = (value: number | null): string => (value === null ? '-' : formatPercent(value));
const signedShare = (value: number | null): string =>
  value === null ? '-' : `${value < 0 ? '-' : '+'}${formatPercent(Math.abs(value))}`;

interface Column {
  readonly head: string;
  readonly of: (figures: Figures) => string;
}

const figureColumns: readonly Column[] = [
  { head: 'rows', of: ({ rows }) => `${rows}` },
  { head: 'predicted', of: ({ predicted }) => `${predicted}` },
  { head: 'median', of: ({ medianError }) => shareOf(medianError) },
  { head: 'mean', of: ({ meanError }) => shareOf(meanError) },
  { head: 'p90', of: ({ p90Error }) => shareOf(p90Error) },
  { head: 'signed', of: ({ signedError }) => signedShare(signedError) },
  { head: 'memory', of: ({ memoryMeanError }) => shareOf(memoryMeanError) },
  { head: 'fits right', of: ({ fitsRight }) => shareOf(fitsRight) },
  { head: 'regret', of: ({ regretMean }) => shareOf(regretMean) },
];

function byTable(tables: readonly JudgedTable[], all: readonly JudgedRow[], { colour, columns }: Look): string {
  const lineOf = (name: string, rows: readonly JudgedRow[]): string[] => {
    const figures = figuresOf(rows);
    return [name, ...figureColumns.map(({ of }) => of(figures))];
  };
  const rows = tables.map(({ name, rows }) => lineOf(name, rows));
  if (tables.length > 1) rows.push(lineOf('all', all));
  const table = formatTable({
    head: ['table', ...figureColumns.map(({ head }) => head)],
    rows,
    align: ['left', ...figureColumns.map(() => 'right' as const)],
    columns,
    colour,
  });
  return `${table}\n${paint(wrap(legend, columns), 'dim', colour)}`;
}

/** Figures of served requests, one metric a line. */
function byMetric(tables: readonly JudgedTable[], { colour, columns }: Look): string {
  const rows = tables.flatMap(({ name, rows }) => {
    const figures = figuresOf(rows).byMetric ?? {};
    return servingMetrics.flatMap((metric) => {
      const of = figures[metric];
      if (!of) return [];
      const shares = [of.medianError, of.meanError, of.p90Error].map(shareOf);
      return [[name, metricNames[metric], `${of.rows}`, ...shares, signedShare(of.signedError)]];
    });
  });
  if (rows.length === 0) return '';
  const align = ['left', 'left', 'right', 'right', 'right', 'right', 'right'] as const;
  return formatTable({
    head: ['table', 'metric', 'rows', 'median', 'mean', 'p90', 'signed'],
    rows,
    align,
    columns,
    colour,
  });
}

const metricNames: Readonly<Record<ServingMetric, string>> = {
  timeToFirstToken: 'time to first token (TTFT)',
  timePerOutputToken: 'time per output token (TPOT)',
  throughput: 'output tokens a second',
};

const legend =
  'Errors are shares of what was measured: of seconds a step, of seconds an output token, or of output tokens a second. signed: mean with the ' +
  'sign, + where more was predicted. memory: mean error where an exact reading is given. regret: how much slower the layout predicted to be ' +
  'the fastest is than the fastest, among runs of the same model, devices and batch.';

const quantityOf = (figure: string, value: number): string =>
  figure.startsWith('seconds') ? formatSeconds(value) : `${formatCount(value)}/s`;

function worstRows(tables: readonly JudgedTable[], { colour, columns }: Look): string {
  const judged = tables.flatMap(({ name, rows }) => rows.map((row) => ({ name, row })));
  const worst = judged
    .filter(({ row }) => row.error !== undefined)
    .sort((a, b) => Math.abs(b.row.error!) - Math.abs(a.row.error!))
    .slice(0, worstShown);
  if (worst.length === 0) return '';
  return formatTable({
    head: ['row', 'error', 'predicted', 'measured', 'of', 'assumed'],
    rows: worst.map(({ row }) => [
      row.id,
      signedShare(row.error!),
      quantityOf(row.figure!, row.predicted!),
      quantityOf(row.figure!, row.measured!),
      row.figure!,
      row.assumed?.join('; ') ?? '',
    ]),
    align: ['left', 'right', 'right', 'right', 'left', 'left'],
    columns,
    colour,
  });
}

function skippedRows(tables: readonly JudgedTable[], { colour, columns }: Look): string {
  const rows = tables.flatMap(({ name, rows }) => {
    const byReason = new Map<string, string[]>();
    for (const { id, skipped } of rows)
      if (skipped !== undefined) byReason.set(skipped, [...(byReason.get(skipped) ?? []), id]);
    return [...byReason]
      .sort(([, a], [, b]) => b.length - a.length)
      .map(([reason, ids]) => [name, `${ids.length}`, reason, idsText(ids)]);
  });
  if (rows.length === 0) return '';
  const align = ['left', 'right', 'left', 'left'] as const;
  return formatTable({ head: ['table', 'rows', 'why', 'which'], rows, align, columns, colour });
}

const idsText = (ids: readonly string[]): string => {
  const more = ids.length - idsShown;
  return `${ids.slice(0, idsShown).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
};
