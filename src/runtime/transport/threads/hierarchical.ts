// The all-to-alls of a group that spans hosts, in two steps, so that a member sends to one member of each other host what is for all of that
// host. With members (host, place):
//
//   1. within a host:  (h, p) gives (h, q) its blocks for (0, q), (1, q), ...: all that goes to the same place of whichever host
//   2. across hosts:   (h, q) gives (g, q) what the members of its host have for it
//
// All members meet before, on the group itself: there their calls are compared, and counts are made known to all. Everything after that is
// among fewer.
import type { RowsToAll, Site, Vector } from '../transport.ts';
import { agreeOnCounts, type allToAllV as exchangeRows } from './all-to-all-v.ts';
import { opCode, typeCode } from './calls.ts';
import { barrier } from './collectives.ts';
import type { CollectiveEnd } from './group-end.ts';
import type { HostMembers } from './host-groups.ts';

/** A rank's ends for the two steps of a group. */
export interface HostEnds {
  readonly members: HostMembers;
  readonly within: CollectiveEnd;
  readonly across: CollectiveEnd;
  /** One exchange among the members of an end. */
  readonly exchange: typeof exchangeRows;
}

/** The call has begun on `end`; it has ended there before the steps begin on theirs. */
export function allToAllV(end: CollectiveEnd, hosts: HostEnds, rows: RowsToAll, site: Site): void {
  const all = agreeOnCounts(end, rows, site);
  end.end();
  inTwoSteps(
    end.me,
    hosts,
    all.map(({ sent }) => sent),
    rows,
    site,
  );
}

export function allToAll(end: CollectiveEnd, hosts: HostEnds, input: Vector, output: Vector, site: Site): void {
  barrier(end);
  end.end();
  const { size } = end;
  // A block is a row.
  const one = new Int32Array(size).fill(input.length > 0 ? 1 : 0);
  const rows = { input, sent: one, output, received: one, width: Math.max(1, input.length / size) };
  inTwoSteps(end.me, hosts, new Array<Int32Array>(size).fill(one), rows, site);
}

/** A block of rows, by the members between which it goes. */
type Pair = readonly [from: number, to: number];

/** `counts[i][j]`: rows that member i sends to member j. */
function inTwoSteps(
  me: number,
  { members, within, across, exchange }: HostEnds,
  counts: readonly Int32Array[],
  { input, output, width }: RowsToAll,
  site: Site,
): void {
  const host = members.find((those) => those.includes(me))!;
  const alike = members.map((those) => those[host.indexOf(me)]!);
  const rowsOf = (blocks: readonly Pair[]): number => blocks.reduce((rows, [from, to]) => rows + counts[from]![to]!, 0);
  /** Lays blocks that lie in one order out in another. */
  const arrange = (source: Vector, lying: readonly Pair[], target: Vector, wanted: readonly Pair[]): Vector => {
    const starts = new Map<number, number>();
    let start = 0;
    for (const [from, to] of lying) {
      starts.set(from * counts.length + to, start);
      start += counts[from]![to]! * width;
    }
    let at = 0;
    for (const [from, to] of wanted) {
      const first = starts.get(from * counts.length + to)!;
      const count = counts[from]![to]! * width;
      target.set(source.subarray(first, first + count), at);
      at += count;
    }
    return target;
  };
  /** Gives every member of `end` its blocks of a vector; returns those that they give. */
  const step = (
    end: CollectiveEnd,
    source: Vector,
    lying: readonly Pair[],
    sends: readonly (readonly Pair[])[],
    receives: readonly (readonly Pair[])[],
  ): Vector => {
    const rows = {
      input: arrange(source, lying, like(source, rowsOf(sends.flat()) * width), sends.flat()),
      sent: Int32Array.from(sends, rowsOf),
      output: like(source, rowsOf(receives.flat()) * width),
      received: Int32Array.from(receives, rowsOf),
      width,
    };
    end.begin(opCode.allToAllV, typeCode(source), rows.input.length, 0, width, 0, site);
    exchange(end, rows, site);
    end.end();
    return rows.output;
  };
  const all = [...counts.keys()];
  const toPlaces = host.map((_, place) => members.map((those): Pair => [me, those[place]!]));
  const fromHost = host.map((from) => alike.map((to): Pair => [from, to]));
  const gathered = step(
    within,
    input,
    all.map((to) => [me, to]),
    toPlaces,
    fromHost,
  );
  const toHosts = alike.map((to) => host.map((from): Pair => [from, to]));
  const fromHosts = members.map((those) => those.map((from): Pair => [from, me]));
  const arrived = step(across, gathered, fromHost.flat(), toHosts, fromHosts);
  arrange(
    arrived,
    fromHosts.flat(),
    output,
    all.map((from) => [from, me]),
  );
}

function like(vector: Vector, length: number): Vector {
  if (vector instanceof Float32Array) return new Float32Array(length);
  return vector instanceof Float64Array ? new Float64Array(length) : new Int32Array(length);
}
