// Goes on with a search until it ends, with its progress on the way.
import { setImmediate } from 'node:timers/promises';
import type { SearchingDeployments } from '../plan/deployments/search.ts';
import type { Searching } from '../plan/search/search.ts';
import { formatPercent } from '../units.ts';
import { type CliIo, throwIfStopped } from './io.ts';
import { showPreparing } from './preparing.ts';

/** What a search for layouts comes to. `quiet`: its progress is not shown. */
export const ended = <R>(searching: Generator<Searching, R, void>, io: CliIo, quiet: boolean): Promise<R> =>
  endedAs(searching, io, quiet, searchingText);

/** The same of those that hold less and less: several searches. */
export const endedFront = <R>(searching: Generator<Searching, R, void>, io: CliIo, quiet: boolean): Promise<R> =>
  endedAs(searching, io, quiet, (state) => `layouts that hold less, ${searchingText(state)}`);

/** The same of a search for deployments. */
export const endedDeployments = <R>(
  searching: Generator<SearchingDeployments, R, void>,
  io: CliIo,
  quiet: boolean,
): Promise<R> => endedAs(searching, io, quiet, deploymentsText);

/** The same of any; `textOf` says in a line how far it is. */
export async function endedAs<S, R>(
  searching: Generator<S, R, void>,
  io: CliIo,
  quiet: boolean,
  textOf: (state: S) => string,
): Promise<R> {
  const progress = showPreparing(quiet, io);
  try {
    for (;;) {
      const { done, value } = searching.next();
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

const searchingText = ({ grids, looked, predicted }: Searching): string =>
  `searching: ${formatPercent(looked / grids)} of ${grids} grids looked at${predicted > 0 ? `, ${predicted} layouts predicted` : ''}`;

export const deploymentsText = ({ looked, of }: SearchingDeployments): string =>
  looked < of ? `searching: ${looked} of ${of} layouts of an instance` : 'searching: pools apart';
