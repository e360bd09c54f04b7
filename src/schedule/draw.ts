// Draws a played schedule as text: one row a stage, time to the right, as the papers do.
import type { Played, Span } from './play.ts';

export interface DrawOptions {
  /** Columns to use at most; 80 when not given. */
  readonly width?: number;
  /** Forwards on blue, backwards on green (ANSI). */
  readonly colour?: boolean;
}

/**
 * With room, forwards are drawn as `3` and backwards as `[3 ]`; without, as a letter a microbatch (a to z, then a again),
 * lower case forward and upper case backward. A dot is time without either. The last line is the legend and the bubble.
 */
export function draw(played: Played, options: DrawOptions = {}): string {
  const width = options.width ?? 80;
  const names = played.busy.map((_, stage) => `stage ${stage}`);
  const nameWidth = Math.max(...names.map((name) => name.length));
  const work = played.spans.filter(({ action, start, end }) => isWork(action.kind) && end > start);
  const scale = columnsPerSecond(played, work, Math.max(1, width - nameWidth - 2));
  const columns = Math.round(played.makespan * scale);
  const cells = work.map((span) => ({
    ...span,
    start: Math.round(span.start * scale),
    end: Math.round(span.end * scale),
  }));
  const numbered = cells.every(({ action, start, end }) => end - start >= numberLabel(action).length);
  const label = numbered ? numberLabel : letterLabel;

  const rows = names.map((name, stage) => {
    const own = cells.filter((cell) => cell.stage === stage);
    return `${name.padEnd(nameWidth)}  ${drawRow(own, columns, label, options.colour ?? false)}`;
  });
  const legend = numbered
    ? '0 forward, [0] backward of microbatch 0'
    : 'a forward, A backward of microbatch 0, b of microbatch 1';
  return [...rows, `${legend}; . idle; bubble ${(played.bubbleFraction * 100).toFixed(1)} %`].join('\n');
}

const isWork = (kind: string) => kind === 'forward' || kind === 'backward';

/** A whole number of columns for the shortest action where there is room, so that equal times look equal. */
function columnsPerSecond(played: Played, work: readonly Span[], columns: number): number {
  if (played.makespan === 0) return 0;
  const shortest = work.reduce((least, { start, end }) => Math.min(least, end - start), Number.POSITIVE_INFINITY);
  const exact = (columns / played.makespan) * shortest;
  return (exact >= 1 ? Math.floor(exact + 1e-9) : exact) / shortest;
}

function drawRow(cells: readonly Span[], columns: number, label: (action: Span['action']) => string, colour: boolean) {
  let row = '';
  let column = 0;
  for (const { action, start, end } of cells) {
    if (end <= column) continue;
    row += '.'.repeat(Math.max(0, start - column));
    const room = end - Math.max(start, column);
    const text = fill(label(action), room);
    row += colour ? `${action.kind === 'forward' ? blue : green}${text}${plain}` : text;
    column = end;
  }
  return row + '.'.repeat(Math.max(0, columns - column));
}

const blue = '\x1b[30;104m';
const green = '\x1b[30;102m';
const plain = '\x1b[0m';

/** One column is left free after the number of a forward, to part it from the next. */
function numberLabel({ kind, microbatch }: Span['action']): string {
  return kind === 'forward' ? `${microbatch} ` : `[${microbatch}]`;
}

function letterLabel({ kind, microbatch }: Span['action']): string {
  const letter = String.fromCharCode('a'.charCodeAt(0) + (microbatch % 26));
  return kind === 'forward' ? letter : letter.toUpperCase();
}

/** Fills the room: a bracket or a letter is stretched, a number is followed by blanks. */
function fill(label: string, room: number): string {
  if (label.startsWith('[')) return `${label.slice(0, -1).padEnd(room - 1)}]`;
  if (label.endsWith(' ')) return label.padEnd(room);
  return label.repeat(room);
}
