// Plays sequences of calls on recorded ranks and judges what they did to memory.
import type { Group } from '../../src/mesh/mesh.ts';
import { firstPieceAt } from '../../src/runtime/transport/threads/registered.ts';
import { createThreadsWorld, type ThreadsShared } from '../../src/runtime/transport/threads/world-state.ts';
import type { TransportLimits, TransportPlan } from '../../src/runtime/transport/transport.ts';
import { runWorld } from '../../src/runtime/world.ts';
import type { WorldPool } from '../../src/runtime/world-pool.ts';
import { type Call, callName, channelCapacity, channelMessages, smallLimits } from './calls.ts';
import type { FaultName } from './faults.ts';
import { findRaces, type Race, type Verdict } from './happens-before.ts';
import { type PaceName, turnsMemory } from './paces.ts';
import { placeOf, raceText } from './places.ts';
import type { RacesJob, RacesResult } from './races-rank.ts';
import { watchedBytes } from './recorder.ts';

export interface Play {
  readonly size: number;
  readonly families: readonly (readonly Group[])[];
  readonly calls: readonly Call[];
  readonly sequence: readonly number[];
  readonly limits?: Partial<TransportLimits>;
  readonly hosts?: TransportPlan['hosts'];
  readonly capacityBytes?: number;
  /** Of each rank: room for the vectors of one call. */
  readonly registeredBytes?: number;
  readonly pace?: PaceName;
  readonly seed?: number;
  /** Of 1000 times in turns, how often a rank goes on. */
  readonly stay?: number;
  readonly fault?: FaultName;
}

export interface Played {
  readonly shared: ThreadsShared;
  readonly logs: readonly Int32Array[];
  readonly errors: readonly string[];
  readonly verdict: Verdict;
  /** Words that changed although nobody recorded that: the recorder does not see them. */
  readonly unseen: readonly string[];
  readonly text: (race: Race) => string;
}

export async function play(what: Play, pool: WorldPool): Promise<Played> {
  const { size, families, calls, sequence, fault, pace = 'free', seed = 1, stay = 500 } = what;
  const { registeredBytes = 8192 } = what;
  const plan = {
    size,
    groups: families.flat(),
    channels: Array.from({ length: size }, (_, from) => ({
      from,
      to: (from + 1) % size,
      capacityBytes: what.capacityBytes ?? channelCapacity,
      messages: channelMessages,
    })),
    // Ranks with a fault may wait for what never comes.
    timeoutSeconds: fault ? 1 : 60,
    limits: what.limits ?? smallLimits,
    ...(what.hosts && { hosts: what.hosts }),
  };
  const shared = createThreadsWorld(plan);
  const job: RacesJob = {
    shared,
    calls,
    families,
    sequence,
    registeredBytes,
    pace: { name: pace, seed: seed * 100, stay },
    turns: turnsMemory(seed),
    ...(fault ? { fault } : {}),
  };
  const results = (await runWorld({
    plan: { size, groups: [], channels: [], timeoutSeconds: 120 },
    rankModule: new URL('./races-rank.ts', import.meta.url),
    jobs: Array.from({ length: size }, () => job),
    pool,
  })) as RacesResult[];
  const logs = results.map(({ log }) => log);
  const verdict = findRaces(
    logs,
    watchedBytes(shared, registeredBytes).map(({ byteLength }) => byteLength),
  );
  const nameOf = (index: number): string => {
    const symbol = sequence[index];
    return symbol === undefined ? 'none' : callName(calls[symbol % calls.length]!);
  };
  return {
    shared,
    logs,
    errors: results.flatMap(({ errors }) => errors),
    verdict,
    unseen: unseenWrites(shared, verdict, registeredBytes),
    text: (race) => raceText(shared, race, nameOf),
  };
}

/** Compares memory with what it was before the ranks began. */
function unseenWrites(shared: ThreadsShared, { written }: Verdict, registeredBytes: number): string[] {
  const wordsOf = (world: ThreadsShared): Int32Array[] =>
    watchedBytes(world, registeredBytes).map(({ buffer, byteLength }) => new Int32Array(buffer, 0, byteLength / 4));
  const before = wordsOf(createThreadsWorld(shared.plan));
  return wordsOf(shared).flatMap((after, memory) => {
    // Status, flight recorders and sites lie before the first group; see docs/reliability.md for why they are not recorded.
    const ofWorld = memory === 0 ? Math.min(...shared.map.groups.map(({ lines }) => lines)) : 0;
    // A heap begins with what its rank alone uses.
    const first = (memory > shared.channels.length ? firstPieceAt : ofWorld) / 4;
    const unseen: string[] = [];
    for (let word = first; word < after.length; word++)
      if (after[word] !== (before[memory]![word] ?? 0) && !written[memory]![word])
        unseen.push(placeOf(shared, memory, 4 * word));
    return unseen;
  });
}
