// A search that takes long, with its progress on the way.
import { setImmediate } from 'node:timers/promises';
import type { SearchingDeployments } from '../plan/deployments/search.ts';
import type { Searching } from '../plan/search/search.ts';
import { formatPercent } from '../units.ts';
import { type CliIo, throwIfStopped } from './io.ts';
import { showPreparing } from './preparing.ts';

/** What a search comes to; `textOf` says in a line how far it is. */
export async function ended<S, R>(
  search: Generator<S, R, void>,
  { io, quiet, textOf }: { readonly io: CliIo; readonly quiet: boolean; readonly textOf: (state: S) => string },
): Promise<R> {
  const progress = showPreparing(quiet, io);
  try {
    for (;;) {
      const { done, value } = search.next();
      if (done) return value;
      progress.show(textOf(value));
      // So that signals are heard, and what is shown is written.
      await setImmediate();
      throwIfStopped(io);
    }
  } finally {
    progress.end();
  }
}

export const searchingText = ({ grids, looked, predicted }: Searching): string =>
  `searching: ${formatPercent(looked / grids)} of ${grids} grids looked at, ${predicted} layouts predicted`;

export const deploymentsText = ({ looked, of }: SearchingDeployments): string =>
  looked < of ? `searching: ${looked} of ${of} layouts of an instance` : 'searching: pools apart';
