// Runs the transport with one fault and looks for the race that it must show.
import type { WorldPool } from '../../src/runtime/world-pool.ts';
import { allMessages, fewCalls, fewRegisteredCalls } from './calls.ts';
import { wholeGroup } from './campaign.ts';
import { type FaultName, faults } from './faults.ts';
import { placeOf } from './places.ts';
import { play } from './play.ts';
import { everyTuple } from './sequences.ts';

/** The text of a race at the place and of the kinds that the fault names, and how many races are of other kinds. */
export async function findFault(
  name: FaultName,
  pool: WorldPool,
): Promise<{ readonly found: string | undefined; readonly others: number }> {
  const { on, place, kinds } = faults[name];
  const size = on === 'channel' ? 2 : 3;
  const calls = on === 'channel' ? allMessages() : on === 'group' ? fewCalls(size) : fewRegisteredCalls();
  const [sequence] = everyTuple(calls.length, on === 'channel' ? 3 : 2);
  const { shared, verdict, text } = await play(
    {
      size,
      families: [[wholeGroup(size)]],
      calls,
      sequence: sequence!,
      fault: name,
      ...(on === 'channel' ? { pace: 'turns', stay: 900 } : {}),
    },
    pool,
  );
  const races = verdict.races.filter(
    ({ memory, at, accesses }) =>
      place.test(placeOf(shared, memory, at)) &&
      accesses
        .map(({ kind }) => kind)
        .sort()
        .join() === [...kinds].sort().join(),
  );
  return { found: races[0] && text(races[0]), others: verdict.races.length - races.length };
}
