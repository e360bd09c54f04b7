// Progress of a run on stderr: a bar on a terminal, else a plain line now and then; stdout stays clean for results.
import cliProgress from 'cli-progress';
import { formatCount, formatFlopsPerSecond, formatPercent, formatSeconds } from './units.ts';

/** What is known after a step; what is not given is not shown. */
export interface ProgressState {
  /** Steps done. */
  readonly step: number;
  readonly loss?: number;
  readonly tokensPerSecond?: number;
  readonly flopsPerSecond?: number;
}

export interface ProgressOptions {
  /** Steps when all is done. */
  readonly total: number;
  /** Steps done before this run, when it was resumed; 0 when not given. */
  readonly from?: number;
  /** What goes on, in front of the line; `train` when not given. */
  readonly label?: string;
  /** Standard error when not given. */
  readonly stream?: NodeJS.WritableStream & { readonly isTTY?: boolean };
  /** Seconds on any clock that runs evenly. */
  readonly clockSeconds?: () => number;
}

export interface Progress {
  update(state: ProgressState): void;
  /** Prints a line of its own, above the bar. */
  note(line: string): void;
  /** Ends the line of the bar; what was last shown stays. Call it in every case: the bar's timer keeps the process alive. */
  stop(): void;
}

/** On streams that are no terminal, a line is printed when either has passed since the last. */
const plainShare = 0.1;
const plainSeconds = 10;
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

  function barProgress(terminal: NodeJS.WritableStream, first: Shown): Progress {
    const bar = new cliProgress.SingleBar({
      stream: terminal,
      format: (_options, { maxWidth }, payload: Shown) => barLine(payload, maxWidth),
      // Trims to the width instead of switching the terminal's wrapping off, which an interrupted run would leave off.
      linewrap: true,
      // Draws again over what other writers put there.
      forceRedraw: true,
    });
    bar.start(total, from, first);
    return {
      update: (state) => bar.update(state.step, shown(state)),
      note(text) {
        // Clears the bar's line, and saves the cursor again where the package saved it: at the begin of the bar's line.
        terminal.write(`\r\x1b[2K${text}\n\x1b7`);
        bar.render();
      },
      stop: () => bar.stop(),
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
  const { step, total, loss, tokensPerSecond, flopsPerSecond, secondsLeft } = shown;
  const found = [`step ${String(step).padStart(String(total).length)}/${total}`];
  if (loss !== undefined) found.push(`loss ${loss.toFixed(4)}`);
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
