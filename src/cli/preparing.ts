// Says how far the data of a run are, when that takes longer than a moment.
import type { PrepareProgress } from '../data/progress.ts';
import type { CliIo } from './io.ts';
import { formatCount, formatPercent } from './ui/units.ts';

export interface Preparing {
  show(progress: PrepareProgress): void;
  end(): void;
}

/** On a stream that is no terminal every line stays, so there are fewer. */
const everySeconds = { terminal: 0.2, other: 10 };

/** `quiet`: says nothing; else nothing before `silentSeconds` have gone. */
export function showPreparing(quiet: boolean, { stderr }: CliIo, silentSeconds = 2): Preparing {
  const terminal = stderr.isTTY === true;
  let next = performance.now() + silentSeconds * 1000;
  let shown = false;
  return {
    show({ bytes, totalBytes, tokens }) {
      if (quiet || performance.now() < next) return;
      next = performance.now() + (terminal ? everySeconds.terminal : everySeconds.other) * 1000;
      const line = `reading data ${formatPercent(totalBytes > 0 ? bytes / totalBytes : 1)}  ${formatCount(tokens)} tokens`;
      stderr.write(terminal ? `\r\x1b[2K${line}` : `${line}\n`);
      shown = true;
    },
    end() {
      if (shown && terminal) stderr.write('\r\x1b[2K');
      shown = false;
    },
  };
}
