// Goes on with a search until it ends, with its progress on the way.
import { setImmediate } from 'node:timers/promises';
import type { Searching } from '../plan/search/search.ts';
import { formatPercent } from '../units.ts';
import { type CliIo, throwIfStopped } from './io.ts';
import { showPreparing } from './preparing.ts';

/** What a search comes to. `quiet`: its progress is not shown. */
export async function ended<R>(searching: Generator<Searching, R, void>, io: CliIo, quiet: boolean): Promise<R> {
  const progress = showPreparing(quiet, io);
  try {
    for (;;) {
      const { done, value } = searching.next();
      if (done) return value;
      const { grids, looked, predicted } = value;
      progress.show(
        `searching: ${formatPercent(looked / grids)} of ${grids} grids looked at, ${predicted} layouts predicted`,
      );
      // So that signals are heard, and what is shown is written.
      await setImmediate();
      throwIfStopped(io);
    }
  } finally {
    progress.end();
  }
}
