// Draws a played schedule as text: one row a stage, time to the right, as the papers do.
import type { Played, Span } from './play.ts';
import { isMessage, type Work } from './schedule.ts';

export interface DrawOptions {
  /** Columns to use at most; 80 when not given. */
  readonly width?: number;
  /** Forwards on blue, gradients on green, those of weights alone on yellow, chunks in turn light and dark (ANSI). */
  readonly colour?: boolean;
}

/** Work on the clock, in columns. */
interface Cell {
  readonly stage: number;
  readonly work: Work;
  readonly start: number;
  readonly end: number;
}

/**
 * With room, a forward is drawn as `3`, a backward or the gradient of an input as `[3 ]` and the gradient of weights as `{3 }`,
 * with several chunks as `3.1` and so on. Without, as a letter a microbatch (a to z, then a again), lower case forward and
 * upper case backward, then the chunk where there is room for it; weight gradients as +. A dot is time without any. The last
 * line is the legend and the bubble.
 */
export function draw(played: Played, options: DrawOptions = {}): string {
  const width = options.width ?? 80;
  const names = played.busy.map((_, stage) => `stage ${stage}`);
  const nameWidth = Math.max(...names.map((name) => name.length));
  const spans = played.spans.filter(({ action, start, end }) => !isMessage(action) && end > start);
  const scale = columnsPerSecond(played, spans, Math.max(1, width - nameWidth - 2));
  const columns = Math.round(played.makespan * scale);
  const cells = spans.map(({ stage, action, start, end }) => ({
    stage,
    work: action as Work,
    start: Math.round(start * scale),
    end: Math.round(end * scale),
  }));
  const chunked = cells.some(({ work }) => work.chunk > 0);
  const label = labels(chunked);
  const numbered = cells.every(({ work, start, end }) => end - start >= label.numbered(work, 0).length);
  const text = numbered ? label.numbered : label.lettered;

  const rows = names.map((name, stage) => {
    const own = cells.filter((cell) => cell.stage === stage);
    return `${name.padEnd(nameWidth)}  ${drawRow(own, columns, text, options.colour ?? false)}`;
  });
  const bubble = `. idle; bubble ${(played.bubbleFraction * 100).toFixed(1)} %`;
  return [...rows, `${legend(cells, numbered, chunked)}; ${bubble}`].join('\n');
}

/** A whole number of columns for the shortest work where there is room, so that equal times look equal. */
function columnsPerSecond(played: Played, work: readonly Span[], columns: number): number {
  if (played.makespan === 0) return 0;
  const shortest = work.reduce((least, { start, end }) => Math.min(least, end - start), Number.POSITIVE_INFINITY);
  const exact = (columns / played.makespan) * shortest;
  return (exact >= 1 ? Math.floor(exact + 1e-9) : exact) / shortest;
}

/** How a work is written in so much room; the shortest way where there is less. */
type Text = (work: Work, room: number) => string;

function drawRow(cells: readonly Cell[], columns: number, text: Text, colour: boolean): string {
  let row = '';
  let column = 0;
  for (const { work, start, end } of cells) {
    if (end <= column) continue;
    row += '.'.repeat(Math.max(0, start - column));
    const drawn = text(work, end - Math.max(start, column));
    row += colour ? `\x1b[${colours[work.kind][work.chunk % 2]}m${drawn}\x1b[0m` : drawn;
    column = end;
  }
  return row + '.'.repeat(Math.max(0, columns - column));
}

/** Text on background: black on light, white on dark. */
const colours: Readonly<Record<Work['kind'], readonly [even: string, odd: string]>> = {
  forward: ['30;104', '97;44'],
  backward: ['30;102', '97;42'],
  inputGradient: ['30;102', '97;42'],
  weightGradient: ['30;103', '97;43'],
};

const labels = (chunked: boolean): { readonly numbered: Text; readonly lettered: Text } => ({
  numbered: ({ kind, microbatch, chunk }, room) => {
    const which = `${microbatch}${chunked ? `.${chunk}` : ''}`;
    // One column is left free after the number of a forward, to part it from the next.
    if (kind === 'forward') return `${which} `.padEnd(room);
    const [open, close] = kind === 'weightGradient' ? '{}' : '[]';
    return `${open}${which.padEnd(room - 2)}${close}`;
  },
  lettered: ({ kind, microbatch, chunk }, room) => {
    if (kind === 'weightGradient') return '+'.repeat(room);
    const lower = String.fromCharCode('a'.charCodeAt(0) + (microbatch % 26));
    const letter = kind === 'forward' ? lower : lower.toUpperCase();
    return chunked ? `${letter}${`${chunk % 10}`.repeat(Math.max(0, room - 1))}` : letter.repeat(room);
  },
});

function legend(cells: readonly Cell[], numbered: boolean, chunked: boolean): string {
  const has = (...kinds: readonly Work['kind'][]) => cells.some(({ work }) => kinds.includes(work.kind));
  const of = numbered ? (chunked ? '0.1' : '0') : chunked ? 'a1' : 'a';
  const back = has('inputGradient') ? 'gradient of its input' : 'backward';
  const signs = [
    `${of} forward`,
    ...(has('backward', 'inputGradient') ? [`${numbered ? `[${of}]` : of.toUpperCase()} ${back}`] : []),
    ...(has('weightGradient') ? [`${numbered ? `{${of}}` : '+'} of weights`] : []),
  ];
  const whose = `of microbatch 0${chunked ? ', chunk 1' : ''}`;
  return `${signs.join(', ')} ${whose}${numbered ? '' : ', b of microbatch 1'}`;
}
