// Says what is done before a run's first step, when that takes longer than a moment.
import type { PrepareProgress } from '../data/progress.ts';
import type { LayoutProgress } from '../train/choose-layout.ts';
import { formatCount, formatPercent } from '../units.ts';
import type { CliIo } from './io.ts';

export interface Preparing {
  show(line: string): void;
  end(): void;
}

export const readingText = ({ bytes, totalBytes, tokens }: PrepareProgress): string =>
  `reading data ${formatPercent(totalBytes > 0 ? bytes / totalBytes : 1)}  ${formatCount(tokens)} tokens`;

const doingTexts = { measuring: 'measuring this machine', estimating: 'estimating layouts' } as const;

export const layoutText = ({ doing, done, total }: LayoutProgress): string =>
  `${doingTexts[doing]} ${done + 1} of ${total}`;

/** On a stream that is no terminal every line stays, so there are fewer. */
const everySeconds = { terminal: 0.2, other: 10 };

/** `quiet`: says nothing; else nothing before `silentSeconds` have gone, then, on a terminal, what was said last. */
export function showPreparing(quiet: boolean, { stderr }: CliIo, silentSeconds = 2): Preparing {
  const terminal = stderr.isTTY === true;
  let next = performance.now() + silentSeconds * 1000;
  let shown = false;
  let waiting: NodeJS.Timeout | undefined;
  const write = (line: string): void => {
    next = performance.now() + (terminal ? everySeconds.terminal : everySeconds.other) * 1000;
    stderr.write(terminal ? `\r\x1b[2K${line}` : `${line}\n`);
    shown = true;
  };
  return {
    show(line) {
      if (quiet) return;
      clearTimeout(waiting);
      const left = next - performance.now();
      if (left <= 0) write(line);
      // What takes long may say no more.
      else if (terminal) waiting = setTimeout(write, left, line).unref();
    },
    end() {
      clearTimeout(waiting);
      if (shown && terminal) stderr.write('\r\x1b[2K');
      shown = false;
    },
  };
}
