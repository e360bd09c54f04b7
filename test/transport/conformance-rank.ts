// What every rank of a conformance run executes: a named program against the transport under test.
import type { Group } from '../../src/mesh/mesh.ts';
import type { Transport, Vector } from '../../src/runtime/transport/transport.ts';
import { type Case, runCase } from './conformance-cases.ts';
import { disagreeOnRows } from './conformance-rows.ts';
import { type Owner, ownMemory } from './conformance-vectors.ts';

/** What a run asks of its ranks. */
export interface ConformanceJob {
  readonly program: string;
  readonly args: unknown;
  /** Whose vectors are in registered memory: nobody's, everybody's, or those of even ranks. */
  readonly registered?: 'none' | 'all' | 'even';
}

export interface CaseResult {
  /** What differs from the naive reference; empty if nothing. */
  readonly errors: readonly string[];
  /** A digest of the result's bits for every case and group of this rank. */
  readonly digests: Readonly<Record<string, number>>;
}

type Program = (transport: Transport, args: never, owner: Owner) => unknown;

const pair: Group = { axis: 'tp', ranks: [0, 1] };

function floats(length: number, { allocate } = ownMemory): Float32Array {
  const { buffer, byteOffset } = allocate(4 * length);
  return new Float32Array(buffer, byteOffset, length);
}

const programs: Readonly<Record<string, Program>> = {
  /** Runs the cases on all groups that hold this rank. */
  cases(transport, { groups, cases }: { groups: readonly Group[]; cases: readonly Case[] }, owner): CaseResult {
    const errors: string[] = [];
    const digests: Record<string, number> = {};
    cases.forEach((one, seed) => {
      groups.forEach((group, g) => {
        if (!group.ranks.includes(transport.rank)) return;
        const { error, digest } = runCase(transport, group, one, seed * 100 + g, owner);
        if (error) errors.push(`rank ${transport.rank}, group ${group.ranks.join(',')}: ${error}`);
        digests[`${seed}/${g}`] = digest;
      });
    });
    return { errors, digests };
  },

  /** Many short calls with no pause between them; returns how many results were wrong. */
  many(transport, { group, calls }: { group: Group; calls: number }, owner): number {
    const size = group.ranks.length;
    const me = group.ranks.indexOf(transport.rank);
    const integers = (length: number): Int32Array => {
      const { buffer, byteOffset } = owner.allocate(4 * length);
      return new Int32Array(buffer, byteOffset, length);
    };
    const one = integers(1);
    const whole = integers(size);
    let wrong = 0;
    for (let i = 0; i < calls; i++) {
      one[0] = i + me;
      transport.allReduce(group, one, 'sum', 'many sums');
      if (one[0] !== size * i + (size * (size - 1)) / 2) wrong++;
      if (i % 3 === 0) transport.barrier(group, 'many barriers');
      one[0] = i * me;
      transport.allGather(group, one, whole, { outer: 1, inner: 1 }, 'many gathers');
      for (let m = 0; m < size; m++) if (whole[m] !== i * m) wrong++;
      one[0] = me === i % size ? i : -1;
      transport.broadcast(group, one, i % size, 'many broadcasts');
      if (one[0] !== i) wrong++;
    }
    return wrong;
  },

  /** Each rank sends a train of messages to the next one before it receives the previous one's. */
  train(transport, { lengths, rounds }: { lengths: readonly number[]; rounds: number }): number {
    const { rank, size } = transport;
    const make: readonly ((length: number) => Vector)[] = [
      (n) => new Float32Array(n),
      (n) => new Float64Array(n),
      (n) => new Int32Array(n),
    ];
    let wrong = 0;
    for (let round = 0; round < rounds; round++) {
      lengths.forEach((length, i) => {
        const data = make[i % 3]!(length);
        for (let k = 0; k < length; k++) data[k] = round * 1000 + rank * 100 + i + (k % 7);
        transport.send((rank + 1) % size, data, i, 'train out');
        data.fill(-1); // the sender may reuse its buffer at once
      });
      const from = (rank + size - 1) % size;
      lengths.forEach((length, i) => {
        const data = make[i % 3]!(length);
        transport.recv(from, data, i, 'train in');
        for (let k = 0; k < length; k++) if (data[k] !== round * 1000 + from * 100 + i + (k % 7)) wrong++;
      });
    }
    return wrong;
  },

  /** Rank 0 sends to 1, then a token to 2, which passes it to 1; 1 takes the token first. */
  buffered(transport, { messages, length }: { messages: number; length: number }): number[] {
    const token = new Int32Array(1);
    const sums: number[] = [];
    if (transport.rank === 0) {
      for (let i = 0; i < messages; i++) transport.send(1, floats(length).fill(i), i, `message ${i}`);
      transport.send(2, token, 0, 'token');
    } else if (transport.rank === 2) {
      transport.recv(0, token, 0, 'token');
      transport.send(1, token, 0, 'token');
    } else {
      transport.recv(2, token, 0, 'token');
      for (let i = 0; i < messages; i++) {
        const data = floats(length);
        transport.recv(0, data, i, `message ${i}`);
        sums.push(data.reduce((a, b) => a + b, 0));
      }
    }
    return sums;
  },

  /** Both ranks of a pair gather still shards and meet in the end; rank 1 does `later` in place of the last gather. */
  disagreeStill(transport, { later }: { later: 'another' | 'none' }, owner): void {
    const shards = [floats(4, owner), floats(4, owner)] as const;
    const whole = floats(8, owner);
    const gather = (which: 0 | 1): void =>
      transport.allGather(pair, shards[which], whole, { outer: 1, inner: 4 }, `shard ${which}`, true);
    // From the second time on they may not meet.
    for (const which of [0, 1, 0, 1] as const) gather(which);
    if (transport.rank === 0) gather(0);
    else if (later === 'another') gather(1);
    transport.barrier(pair, 'after the gathers');
  },

  /** Both ranks of a pair make a call, each its own. */
  disagree(transport, { calls }: { calls: readonly [string, string] }, owner): void {
    const whole = floats(8, owner);
    const half = floats(4, owner);
    const call = calls[transport.rank as 0 | 1];
    const none = new Int32Array(2);
    const rowsOf = (width: number) => ({ input: whole, sent: none, output: half, received: none, width });
    const made: Readonly<Record<string, () => void>> = {
      sum8: () => transport.allReduce(pair, whole, 'sum', 'the site'),
      sum4: () => transport.allReduce(pair, half, 'sum', 'the site'),
      max8: () => transport.allReduce(pair, whole, 'max', 'the site'),
      double8: () => transport.allReduce(pair, new Float64Array(8), 'sum', 'the site'),
      elsewhere: () => transport.allReduce(pair, whole, 'sum', 'another site'),
      gather1x4: () => transport.allGather(pair, half, whole, { outer: 1, inner: 4 }, 'the site'),
      gather2x2: () => transport.allGather(pair, half, whole, { outer: 2, inner: 2 }, 'the site'),
      rows2: () => transport.allToAllV(pair, rowsOf(2), 'the site'),
      rows4: () => transport.allToAllV(pair, rowsOf(4), 'the site'),
      root0: () => transport.broadcast(pair, whole, 0, 'the site'),
      root1: () => transport.broadcast(pair, whole, 1, 'the site'),
      barrier: () => transport.barrier(pair, 'the site'),
      send8: () => transport.send(1, whole, 7, 'sending'),
      recv4: () => transport.recv(0, half, 7, 'receiving'),
      recvOther8: () => transport.recv(0, whole, 8, 'receiving'),
      recvDouble8: () => transport.recv(0, new Float64Array(8), 7, 'receiving'),
    };
    transport.barrier(pair, 'before');
    made[call]!();
    // Whoever sends does not learn of a wrong receive by itself.
    transport.barrier(pair, 'after');
  },

  disagreeOnRows,

  /** Rank 1 waits for a message of rank 0 while the others wait for it in a call. */
  circle(transport, { group }: { group: Group }, owner): void {
    transport.barrier(group, 'before');
    if (transport.rank !== 1) transport.allReduce(group, floats(64, owner), 'sum', 'gradient sum');
    else transport.recv(0, floats(8), 0, 'the message');
  },

  /** Rank 0 works for so long, and says so; rank 1 waits for its message, rank 2 for rank 1. */
  late(transport, { group, seconds }: { group: Group; seconds: number }): unknown {
    transport.barrier(group, 'before');
    const end = performance.now() + seconds * 1000;
    if (transport.rank === 0) {
      while (performance.now() < end) transport.heartbeat('counting sheep');
      transport.send(1, floats(8), 0, 'the message');
    }
    if (transport.rank === 1) transport.recv(0, floats(8), 0, 'the message');
    transport.barrier(group, 'after');
    // A rank may have come out of the first barrier a little after the one that is waited for.
    return performance.now() >= end - seconds * 500;
  },

  /** Every collective once, on a group of two, and a message: what the counters say. */
  counted(transport, _, owner): unknown {
    transport.allReduce(pair, floats(10, owner), 'sum', 'a');
    transport.allReduce(pair, floats(10, owner), 'max', 'a');
    transport.allGather(pair, floats(6, owner), floats(12, owner), { outer: 3, inner: 2 }, 'b');
    transport.reduceScatter(pair, floats(12, owner), floats(6, owner), { outer: 3, inner: 2 }, 'c');
    transport.allToAll(pair, new Float64Array(4), new Float64Array(4), 'd');
    const counts = [Int32Array.of(2, 3), Int32Array.of(2, 1), Int32Array.of(1, 0), Int32Array.of(3, 0)];
    const [sent, received] = counts.slice(2 * transport.rank) as [Int32Array, Int32Array];
    transport.allToAllV(pair, { input: floats(10), sent, output: floats(6), received, width: 2 }, 'd');
    transport.ringShift(pair, floats(5, owner), floats(5, owner), 1, 'e');
    transport.broadcast(pair, floats(8, owner), 0, 'f');
    transport.barrier(pair, 'g');
    if (transport.rank === 0) transport.send(1, floats(3), 0, 'h');
    else transport.recv(0, floats(3), 0, 'h');
    return transport.counters;
  },
};

export async function rank(transport: Transport, job: unknown): Promise<unknown> {
  const { program, args, registered = 'none' } = job as ConformanceJob;
  const registers = registered === 'all' || (registered === 'even' && transport.rank % 2 === 0);
  const owner = registers ? { allocate: (bytes: number) => transport.allocate(bytes) } : ownMemory;
  return programs[program]!(transport, args as never, owner);
}
