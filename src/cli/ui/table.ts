// Aligned tables for the terminal: one rule under the head, numbers to the right; what is too wide is wrapped, then cut into several.
import { paint } from './colour.ts';
import { wrap } from './wrap.ts';

export type Cell = string | number;

export interface TableOptions {
  readonly head: readonly string[];
  /** Every row has as many cells as the head. */
  readonly rows: readonly (readonly Cell[])[];
  /** Sides by column; where not given, columns of numbers and quantities (`1.25 GB`) go right, others left. */
  readonly align?: readonly ('left' | 'right' | undefined)[];
  /** Bold head, dim rule; see wantsColour. */
  readonly colour?: boolean;
  /** What it must fit in; without end when not given. */
  readonly columns?: number;
  /** The first so many columns say what a row is of: they begin every part of a table that is cut; 1 when not given. */
  readonly keys?: number;
}

const gap = '  ';

/** The table as lines without a newline at the end. */
export function formatTable(options: TableOptions): string {
  const { head, align = [], colour = false, columns = Number.POSITIVE_INFINITY, keys = 1 } = options;
  const rows = options.rows.map((row) => row.map(String));
  const sides = head.map((_, i) => align[i] ?? sideOf(rows.map((row) => row[i]!)));
  const widths = widthsIn(columns, [head, ...rows], sides, keys);
  const line = (cells: readonly string[], shown: readonly number[]): string =>
    shown
      .map((i) => (sides[i] === 'left' ? cells[i]!.padEnd(widths[i]!) : cells[i]!.padStart(widths[i]!)))
      .join(gap)
      .trimEnd();
  const part = (shown: readonly number[]): string => {
    const rule = '─'.repeat(totalOf(shown.map((i) => widths[i]!)));
    const body = rows.flatMap((row) => {
      const cells = row.map((cell, i) => (cell.length > widths[i]! ? wrap(cell, widths[i]!).split('\n') : [cell]));
      const height = Math.max(...shown.map((i) => cells[i]!.length));
      return Array.from({ length: height }, (_, at) =>
        line(
          cells.map((lines) => lines[at] ?? ''),
          shown,
        ),
      );
    });
    const title = line(head, shown).replace(/\S+( \S+)*/g, (text) => paint(text, 'bold', colour));
    return [title, ...(rows.length > 0 ? [paint(rule, 'dim', colour)] : []), ...body].join('\n');
  };
  return partsIn(columns, widths, keys).map(part).join('\n\n');
}

const totalOf = (widths: readonly number[]): number =>
  widths.reduce((sum, width) => sum + width + gap.length, -gap.length);

/**
 * Each column's longest cell. When that is too much together, columns of words give way as far as their longest word; where even
 * that is too much for one table, only as far as it takes to show the widest column beside the keys.
 */
function widthsIn(
  columns: number,
  rows: readonly (readonly string[])[],
  sides: readonly ('left' | 'right')[],
  keys: number,
): number[] {
  const longest = (texts: readonly string[]) => Math.max(0, ...texts.map((text) => text.length));
  const widths = sides.map((_, i) => longest(rows.map((row) => row[i]!)));
  const least = sides.map((side, i) =>
    side === 'left' ? longest(rows.flatMap((row) => row[i]!.split(' '))) : widths[i]!,
  );
  const asOne = totalOf(least) <= columns;
  const needed = () => totalOf(asOne ? widths : [...widths.slice(0, keys), Math.max(0, ...widths.slice(keys))]);
  while (needed() > columns) {
    const room = widths.map((width, i) => (width > least[i]! ? width : 0));
    const widest = room.indexOf(Math.max(...room));
    if (room[widest] === 0) break;
    widths[widest]!--;
  }
  return widths;
}

/** Which columns stand together: the keys, and of the others as many as fit. */
function partsIn(columns: number, widths: readonly number[], keys: number): number[][] {
  const all = widths.map((_, i) => i);
  const parts: number[][] = [];
  for (const i of all.slice(keys)) {
    const last = parts.at(-1);
    if (last && totalOf([...last, i].map((each) => widths[each]!)) <= columns) last.push(i);
    else parts.push([...all.slice(0, keys), i]);
  }
  return parts.length > 0 ? parts : [all];
}

/** A number, perhaps with a unit or marks around it: `12`, `-1.5`, `1.25 GB`, `27.3 %`, `2 min 05 s`, `+3.1 %`, `?`, `-`. */
const quantity = /^([-+~≈]?\d[\d.,]*(e[-+]?\d+)?( ?[%\p{L}µ/]+( \d+ \p{L}+)?)?|\?|-|)$/iu;

function sideOf(cells: readonly string[]): 'left' | 'right' {
  const numeric = cells.some((cell) => cell !== '') && cells.every((cell) => quantity.test(cell));
  return numeric ? 'right' : 'left';
}
