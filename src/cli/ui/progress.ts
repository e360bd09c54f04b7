// Progress of a run on stderr: a bar on a terminal, else a plain line now and then; stdout stays clean for results.
import { formatCount, formatFlopsPerSecond, formatPercent, formatSeconds } from '../../units.ts';
import { columnsOf, wrap } from './wrap.ts';

/** What is known after a step; what is not given is not shown. */
export interface ProgressState {
  /** Steps done. */
  readonly step: number;
  readonly loss?: number;
  /** What else there is to say of the step, each a few words. */
  readonly told?: readonly string[];
  readonly tokensPerSecond?: number;
  readonly flopsPerSecond?: number;
}

type Terminal = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };

export interface ProgressOptions {
  /** Steps when all is done. */
  readonly total: number;
  /** Steps done before this run, when it was resumed; 0 when not given. */
  readonly from?: number;
  /** What goes on, in front of the line; `train` when not given. */
  readonly label?: string;
  /** Standard error when not given. */
  readonly stream?: Terminal;
  /** Seconds on any clock that runs evenly. */
  readonly clockSeconds?: () => number;
}

export interface Progress {
  update(state: ProgressState): void;
  /** Prints a line of its own, above the bar. */
  note(line: string): void;
  /** Ends the line of the bar; what was last shown stays. Call it in every case. */
  stop(): void;
}

/** On streams that are no terminal, a line is printed when either has passed since the last. */
const plainShare = 0.1;
const plainSeconds = 10;
/** Neither wrapping nor the cursor is switched off: an interrupted run leaves the terminal as it was. */
const clearLine = '\r\x1b[2K';
const redrawSeconds = 0.1;
/** Time left is judged by this many of the last steps: the first are slow and the machine's load changes. */
const recentSteps = 32;

export function createProgress(options: ProgressOptions): Progress {
  const {
    total,
    from = 0,
    label = 'train',
    stream = process.stderr,
    clockSeconds = () => performance.now() / 1000,
  } = options;
  const begun = clockSeconds();
  const recent = [{ step: from, seconds: 0 }];
  const shown = (state: ProgressState): Shown => {
    const seconds = clockSeconds() - begun;
    recent.push({ step: state.step, seconds });
    if (recent.length > recentSteps) recent.shift();
    const oldest = recent[0]!;
    const pace = (seconds - oldest.seconds) / (state.step - oldest.step);
    return { ...state, total, label, seconds, secondsLeft: pace * (total - state.step) };
  };
  const begin = { step: from, total, label, seconds: 0, secondsLeft: Number.NaN };
  return stream.isTTY ? barProgress(stream, begin) : plainProgress(stream, begin);

  function barProgress(terminal: Terminal, first: Shown): Progress {
    let last = first;
    let drawn = 0;
    const draw = (before = ''): void => {
      drawn = clockSeconds();
      terminal.write(`${clearLine}${before}${barLine(last, Math.min(120, columnsOf(terminal)))}`);
    };
    draw();
    return {
      update(state) {
        last = shown(state);
        if (clockSeconds() - drawn >= redrawSeconds) draw();
      },
      note: (text) => draw(`${wrap(text, columnsOf(terminal))}\n`),
      stop() {
        draw();
        terminal.write('\n');
      },
    };
  }

  function plainProgress(file: NodeJS.WritableStream, first: Shown): Progress {
    let last = { step: first.step, seconds: clockSeconds() };
    return {
      update(state) {
        const line = plainLine(shown(state));
        const now = clockSeconds();
        const due = state.step - last.step >= total * plainShare || now - last.seconds >= plainSeconds;
        if (!due && (state.step < total || last.step >= total)) return;
        last = { step: state.step, seconds: now };
        file.write(`${line}\n`);
      },
      note: (text) => void file.write(`${text}\n`),
      stop: () => {},
    };
  }
}

/** All that a line can show. */
export interface Shown extends ProgressState {
  readonly total: number;
  readonly label: string;
  /** Since this run began. */
  readonly seconds: number;
  /** NaN when not known yet. */
  readonly secondsLeft: number;
}

/** The parts of a line, the most wanted first. */
function parts(shown: Shown): string[] {
  const { step, total, loss, told = [], tokensPerSecond, flopsPerSecond, secondsLeft } = shown;
  const found = [`step ${String(step).padStart(String(total).length)}/${total}`];
  if (loss !== undefined) found.push(`loss ${loss.toFixed(4)}`);
  found.push(...told);
  found.push(step < total ? `${formatSeconds(secondsLeft)} left` : `took ${formatSeconds(shown.seconds)}`);
  if (tokensPerSecond !== undefined) found.push(`${formatCount(tokensPerSecond)} tok/s`);
  if (flopsPerSecond !== undefined) found.push(formatFlopsPerSecond(flopsPerSecond));
  return found;
}

/** The line of the bar, in less than `width` columns: the least wanted parts go when there is no room for all. */
export function barLine(shown: Shown, width: number): string {
  const fraction = shareOf(shown);
  // By the width alone, so that the bar keeps its length while numbers grow and shrink.
  const length = Math.min(30, Math.max(10, Math.floor(width / 6)));
  const full = Math.round(fraction * length);
  const percent = `${Math.floor(fraction * 100)} %`.padStart(5);
  let line = `${shown.label} ${'█'.repeat(full)}${'░'.repeat(length - full)} ${percent}`;
  for (const part of parts(shown)) {
    if (line.length + 2 + part.length >= width) break;
    line += `  ${part}`;
  }
  return line;
}

const shareOf = ({ step, total }: Shown) => (total > 0 ? Math.min(1, Math.max(0, step / total)) : 1);

/** The line for a file or a pipe. */
export function plainLine(shown: Shown): string {
  return `${shown.label} ${formatPercent(shareOf(shown))}  ${parts(shown).join('  ')}`;
}
