// A table of measurements: CSV text read into rows, and what it is that they measured.
import Papa from 'papaparse';
import { fail } from '../../errors.ts';

/** A row by column; what is empty is not there. */
export type Row = Readonly<Record<string, string>>;

/** Training runs; served requests, in the two forms that they are published in; single operators. */
export type TableKind = 'training' | 'latencies' | 'throughputs' | 'operators';

export interface Table {
  readonly name: string;
  readonly kind: TableKind;
  readonly rows: readonly Row[];
}

/** Columns that a table of a kind has, with others beside them; the first kind whose columns are all there is the table's. */
const columns: readonly (readonly [TableKind, readonly string[]])[] = [
  ['training', ['gpu', 'num_gpus', 'model', 'seq_len', 'global_batch', 'tp', 'pp', 'dp']],
  ['latencies', ['system', 'model_path', 'isl', 'osl', 'concurrency', 'silicon_tpot_ms']],
  ['throughputs', ['engine', 'model', 'gpu', 'isl', 'osl', 'metric', 'value']],
  ['operators', ['gpu', 'collective', 'bytes', 'median_us']],
  ['operators', ['gpu', 'kernel_source', 'latency_ms']],
  ['operators', ['accelerator', 'mamf_tflops']],
];

/**
 * Reads a table from CSV (RFC 4180, with a header).
 * @throws TABLE_INVALID where it is none, or none of the kinds that can be judged
 */
export function parseTable(name: string, text: string): Table {
  const invalid = (problem: string, fix: string): never => fail('TABLE_INVALID', { path: name, problem, fix });
  const [names = []] = Papa.parse<string[]>(text, { preview: 1, skipEmptyLines: true }).data;
  const twice = names.find((column, at) => names.indexOf(column) < at);
  if (twice !== undefined) return invalid(`its column ${twice} is there twice`, 'leave one of them out');
  const { data, errors, meta } = Papa.parse<Record<string, string>>(text, { header: true, skipEmptyLines: true });
  const header = meta.fields ?? [];
  const kind = columns.find(([, needed]) => needed.every((column) => header.includes(column)))?.[0];
  if (kind === undefined) return invalid('its columns are not those of a table of measurements', `give ${known}`);
  const broken = errors.find(({ type }) => type !== 'Delimiter');
  if (broken) {
    // Rows are counted from the first below the header; where quotes are wrong the header has been counted too.
    const row = (broken.row ?? 0) + (broken.type === 'Quotes' ? 0 : 1);
    return invalid(`row ${row} is not CSV (${broken.message})`, 'mend the row');
  }
  return { name, kind, rows: data.map(withoutEmpty) };
}

const known = columns
  .slice(0, 3)
  .map(([kind, needed]) => `one of ${kind} (${needed.join(', ')}, ..)`)
  .join(', or ');

const withoutEmpty = (row: Row): Row =>
  Object.fromEntries(
    Object.entries(row)
      .map(([column, value]) => [column, value.trim()] as const)
      .filter(([, value]) => value !== ''),
  );

/** The number in a column; undefined where there is none. */
export function numberIn(row: Row, column: string): number | undefined {
  const text = row[column];
  const value = Number(text);
  return text !== undefined && Number.isFinite(value) ? value : undefined;
}

/** More than any column's measurement comes to, in its unit. */
const mostReading = 1e9;

/** What was measured: a number, and more than nothing. @throws TABLE_INVALID for one that nobody can have measured */
export function readingIn(row: Row, column: string): number | undefined {
  const value = numberIn(row, column);
  const text = row[column] ?? '';
  if (value === undefined ? noNumber.test(text) : value <= 0 || value > mostReading)
    refuseReading(row, `its ${column} is ${text}`);
  return value;
}

/** Written where a number came out of a division by nothing. */
const noNumber = /^[+-]?(nan|inf(inity)?)$/i;

export const refuseReading = (row: Row, problem: string): never =>
  fail('TABLE_INVALID', { path: row.id ?? 'a row', problem, fix: 'give what was measured, or leave it empty' });

/** All that the columns say in words, each between bars. */
export const wordsIn = (row: Row, names: readonly string[]): string => names.map((name) => row[name] ?? '').join(' | ');
