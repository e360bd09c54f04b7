// Which sequences are played: pairs and triples of all calls in groups of 2 to 4, groups within groups, and messages in turns.
import type { Group } from '../../src/mesh/mesh.ts';
import type { TransportLimits } from '../../src/runtime/transport/transport.ts';
import type { WorldPool } from '../../src/runtime/world-pool.ts';
import { allCalls, allMessages, type Call, fewCalls, fewRegisteredCalls, registeredCalls } from './calls.ts';
import { type Play, play } from './play.ts';
import { everyTuple, tuplesIn } from './sequences.ts';

export interface Part {
  readonly name: string;
  readonly order: 2 | 3;
  readonly plays: readonly Play[];
  readonly tuples: number;
}

const range = (size: number): number[] => Array.from({ length: size }, (_, i) => i);
const tp = (...ranks: number[]): Group => ({ axis: 'tp', ranks });
const dp = (...ranks: number[]): Group => ({ axis: 'dp', ranks });
export const wholeGroup = (size: number): Group => ({ axis: 'world', ranks: range(size) });

/** Calls of a piece: what happened before a piece cannot hide a race in it, see docs/reliability.md. */
const pieceLength = 4000;

function part(
  name: string,
  order: 2 | 3,
  what: Pick<Play, 'size' | 'families' | 'calls' | 'registeredBytes' | 'hosts'> & {
    readonly limits?: Partial<TransportLimits>;
  },
): Part {
  const pieces = everyTuple(what.calls.length * what.families.length, order, pieceLength);
  return { name, order, tuples: tuplesIn(pieces, order), plays: pieces.map((sequence) => ({ ...what, sequence })) };
}

/** All calls of one group of `size` ranks. */
export const inOneGroup = (size: number, order: 2 | 3, calls: readonly Call[] = allCalls(size)): Part =>
  part(`${calls.length} calls on ${size} ranks`, order, { size, families: [[wholeGroup(size)]], calls });

/** All calls on registered vectors, and slots between them. */
export const onRegistered = (size: number, order: 2 | 3): Part =>
  inOneGroup(size, order, [...registeredCalls(), ...fewCalls(size)]);

/** Some calls of every kind, of groups that share ranks. */
export const inGroupsOfGroups = (order: 2 | 3): Part[] => [
  part('tp pairs, dp pairs and all 4', order, {
    size: 4,
    families: [[tp(0, 1), tp(2, 3)], [dp(0, 2), dp(1, 3)], [wholeGroup(4)]],
    calls: [...fewCalls(4), ...fewRegisteredCalls()],
  }),
  part('a pair inside a triple', order, {
    size: 3,
    families: [[tp(2, 0)], [wholeGroup(3)]],
    calls: [...fewCalls(3), ...fewRegisteredCalls()],
  }),
];

/** All-to-alls over two hosts, some calls of every other kind, and the same of the groups that are made of members of one host. */
export function overHosts(order: 2 | 3): Part {
  const exchanges = [...allCalls(4), ...registeredCalls()].filter(({ op }) => op === 'allToAll' || op === 'allToAllV');
  const others = fewCalls(4).filter(({ op }) => op !== 'allToAllV');
  const hosts = [
    [0, 2],
    [1, 3],
  ];
  return part('4 ranks on two hosts', order, {
    size: 4,
    hosts,
    families: [[wholeGroup(4)], hosts.map((ranks): Group => ({ axis: 'world', ranks }))],
    calls: [...exchanges, ...others],
  });
}

/** All calls as they run in earnest: thresholds of thousands of bytes, the same few elements on either side of none. */
export const withOwnLimits = (size: number): Part =>
  part(`${size} ranks with the limits of earnest`, 2, {
    size,
    families: [[wholeGroup(size)]],
    calls: [
      { op: 'allReduce', type: 'f32', reduce: 'sum', length: 1024 },
      { op: 'allReduce', type: 'f32', reduce: 'sum', length: 1025 },
      { op: 'allReduce', type: 'f64', reduce: 'max', length: 16_400 },
      { op: 'allGather', type: 'f32', outer: 300, inner: 33 },
      { op: 'allGather', type: 'f32', outer: 2, inner: 20_000 },
      { op: 'reduceScatter', type: 'f32', outer: 300, inner: 70 },
      { op: 'allToAll', type: 'f32', block: 20_000 },
      { op: 'allToAllV', type: 'f32', pattern: 'uneven', rows: 900, width: 10 },
      { op: 'broadcast', type: 'f32', length: 40_000, root: 1 },
      { op: 'exchange', type: 'f64', length: 9000 },
      { op: 'allReduce', type: 'f32', reduce: 'sum', length: 150_000, memory: 'registered' },
      { op: 'allGather', type: 'f32', outer: 1, inner: 20_000, inside: true, memory: 'registered' },
      { op: 'reduceScatter', type: 'f32', outer: 2, inner: 10_000, memory: 'registered' },
      { op: 'allToAllV', type: 'f32', pattern: 'uneven', rows: 2050, width: 2, memory: 'registered' },
    ],
    limits: {},
    registeredBytes: 1024 * 1024,
  });

/** Messages through one channel, in turns that `seeds` decide: both ends get ahead, and both alternate. */
export function messagesInTurns(order: 2 | 3, seeds: number): Part {
  const calls = allMessages();
  const [sequence] = everyTuple(calls.length, order);
  const plays = range(seeds).map(
    (seed): Play => ({
      size: 2,
      families: [[wholeGroup(2)]],
      calls,
      sequence: sequence!,
      pace: 'turns',
      seed: seed + 1,
      stay: [0, 500, 950][seed % 3]!,
    }),
  );
  return { name: `messages in turns, ${seeds} seeds`, order, plays, tuples: tuplesIn([sequence!], order) };
}

export interface Outcome {
  readonly name: string;
  readonly order: 2 | 3;
  readonly tuples: number;
  readonly calls: number;
  readonly accesses: number;
  readonly races: readonly string[];
  /** Wrong results, and words that changed although nobody recorded a write. */
  readonly problems: readonly string[];
}

export async function run({ name, order, plays, tuples }: Part, pool: WorldPool): Promise<Outcome> {
  const outcome = { name, order, tuples, calls: 0, accesses: 0, races: [] as string[], problems: [] as string[] };
  for (const what of plays) {
    const { verdict, errors, unseen, text } = await play(what, pool);
    outcome.calls += what.sequence.length;
    outcome.accesses += verdict.accesses;
    outcome.races.push(...verdict.races.map(text));
    outcome.problems.push(...errors, ...unseen.map((place) => `a change that nobody recorded: ${place}`));
  }
  return outcome;
}
