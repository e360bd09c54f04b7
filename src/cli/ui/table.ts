// Aligned tables for the terminal: one rule under the head, numbers to the right.
import Table from 'cli-table3';
import { paint } from './colour.ts';

export type Cell = string | number;

export interface TableOptions {
  readonly head: readonly string[];
  /** Every row has as many cells as the head. */
  readonly rows: readonly (readonly Cell[])[];
  /** Sides by column; where not given, columns of numbers and quantities (`1.25 GB`) go right, others left. */
  readonly align?: readonly ('left' | 'right' | undefined)[];
  /** Bold head, dim rule; see wantsColour. */
  readonly colour?: boolean;
}

/** The table as lines without a newline at the end. */
export function formatTable(options: TableOptions): string {
  const { head, rows, align = [], colour = false } = options;
  const none = { top: '', 'top-mid': '', 'top-left': '', 'top-right': '', left: '', right: '' };
  const alsoNone = {
    bottom: '',
    'bottom-mid': '',
    'bottom-left': '',
    'bottom-right': '',
    'left-mid': '',
    'right-mid': '',
  };
  const rule = { mid: '─', 'mid-mid': '──', middle: '  ' };
  const table = new Table({
    head: head.map((title) => paint(title, 'bold', colour)),
    colAligns: head.map((_, column) => align[column] ?? sideOf(rows.map((row) => row[column] ?? ''))),
    chars: { ...none, ...alsoNone, ...rule },
    // The package's own colours look at stdout; ours follow `colour`.
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0, compact: true },
  });
  for (const row of rows) table.push([...row]);
  const lines = table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd());
  // Without rows the package draws no rule, but an empty line.
  if (rows.length === 0) return lines[0]!;
  return lines.map((text, i) => (i === 1 ? paint(text, 'dim', colour) : text)).join('\n');
}

/** A number, perhaps with a unit or marks around it: `12`, `-1.5`, `1.25 GB`, `27.3 %`, `2 min 05 s`, `+3.1 %`, `?`, `-`. */
const quantity = /^([-+~≈]?\d[\d.,]*(e[-+]?\d+)?( ?[%\p{L}µ/]+( \d+ \p{L}+)?)?|\?|-|)$/iu;

function sideOf(cells: readonly Cell[]): 'left' | 'right' {
  const numeric = cells.some((cell) => cell !== '') && cells.every((cell) => quantity.test(String(cell)));
  return numeric ? 'right' : 'left';
}
