// What ranks say to each other: one interface that every transport (threads, MPI, ...) implements and one suite proves.
import type { Channel, Group } from '../../mesh/mesh.ts';
import type { TrafficCounters } from '../../mesh/traffic.ts';

/** A contiguous vector of numbers; all ranks of a call pass the same type and length. */
export type Vector = Float32Array | Float64Array | Int32Array;

export type ReduceOp = 'sum' | 'max';

/**
 * A tensor cut along one dimension, as contiguous memory sees it: `outer` rows, each of one `inner`-element chunk a rank.
 * A rank's shard is [outer, inner]; the whole is [outer, ranks, inner]. Cutting dim d of shape s gives
 * outer = s[0..d), inner = (s[d] / ranks) * s(d..].
 */
export interface Cut {
  readonly outer: number;
  readonly inner: number;
}

/** Blocks of rows, as many for and from every member of a group as the counts say: their sums may be less than the vectors hold. */
export interface RowsToAll {
  /** [rows, width]: sent[0] rows for member 0, sent[1] for member 1, and so on. The rows behind them are not read. */
  readonly input: Vector;
  readonly sent: Int32Array;
  /** [rows, width]: received[0] rows of member 0, and so on; not over `input`. The rows behind them are not written. */
  readonly output: Vector;
  readonly received: Int32Array;
  /** Elements of a row, the same on all members; at least 1. */
  readonly width: number;
}

/** Says which of a channel's messages one is: a non-negative integer below 2^31 that both sides know. */
export type Tag = number;

/** Who is calling: shown in errors and in the flight recorder, e.g. `block 3 attention output`. */
export type Site = string;

/** Memory that vectors are made in; it may be longer than an array of bytes can be. */
export interface Piece {
  readonly buffer: ArrayBufferLike;
  readonly byteOffset: number;
  readonly byteLength: number;
}

/**
 * One rank's end of the world. Calls block the calling thread; every rank of the group must make the same calls in the same order.
 * Results are the same bits on every rank and in every run: sums go in rank order.
 * No call waits for ever: COLLECTIVE_TIMEOUT, COLLECTIVE_MISMATCH and RANK_FAILED (see errors.ts) end it.
 */
export interface Transport {
  readonly rank: number;
  readonly size: number;
  /** Calls made and bytes sent so far, by axis and collective; messages (send) count on pp, receiving counts nothing. */
  readonly counters: TrafficCounters;
  /**
   * Zeroed memory of this rank that its peers reach too: large vectors in it are read where they are, twice as fast as others. It lasts
   * as long as the transport; nothing of it is given back before. What does not fit into the registered memory, of which a piece has
   * less than 4 GiB, is ordinary memory. During a call a vector belongs to the call.
   */
  allocate(bytes: number): Piece;
  /** Reduces `data` over the group, in place. */
  allReduce(group: Group, data: Vector, op: ReduceOp, site: Site): void;
  /**
   * Gathers every rank's [outer, inner] `shard` into `whole` [outer, ranks, inner]. With outer 1 `shard` may be this rank's part of `whole`
   * itself; otherwise the two may not overlap.
   *
   * With `still` members need not meet for it. The caller promises that every member makes a call with all the others after it has changed
   * its shard and before this one, and another after this one and before it changes its shard again, neither of them `still`; and that a
   * shard is always gathered with the same shards of the others. What members disagree on is found at the latest when they meet next.
   */
  allGather(group: Group, shard: Vector, whole: Vector, cut: Cut, site: Site, still?: boolean): void;
  /**
   * Sums `whole` [outer, ranks, inner] over the group and leaves this rank's [outer, inner] part in `shard`. With outer 1 `shard` may be
   * this rank's part of `whole` itself; otherwise the two may not overlap. The rest of `whole` keeps what this rank had there.
   */
  reduceScatter(group: Group, whole: Vector, shard: Vector, cut: Cut, site: Site): void;
  /** Sends block i of `input` [ranks, block] to rank i; block j of `output` comes from rank j. */
  allToAll(group: Group, input: Vector, output: Vector, site: Site): void;
  /**
   * The same with blocks of different lengths, which only this call knows. Members whose counts differ (what one sends to another is not what
   * that one expects), or do not fit a vector, all fail in it with COLLECTIVE_MISMATCH. Counters hold the bytes for other members.
   */
  allToAllV(group: Group, rows: RowsToAll, site: Site): void;
  /** Sends `input` to the rank `shift` places on in the group and receives `output` from the one `shift` places back. */
  ringShift(group: Group, input: Vector, output: Vector, shift: number, site: Site): void;
  /** Copies `data` of the group's `root`-th rank to all. */
  broadcast(group: Group, data: Vector, root: number, site: Site): void;
  /** Sends to a rank (world number). Returns when `data` may be changed; buffered up to the channel's capacity. */
  send(to: number, data: Vector, tag: Tag, site: Site): void;
  /** Receives the oldest message from a rank (world number); its length and its tag must be those given. */
  recv(from: number, data: Vector, tag: Tag, site: Site): void;
  barrier(group: Group, site: Site): void;
  /**
   * Says that this rank moves on, and what it is doing: before every instruction, and in all other work (loading, compiling, saving)
   * more often than the time-out. Whoever waits for it goes on waiting.
   */
  heartbeat(site: Site): void;
  /** Says that this rank makes no more calls: whoever waits for it then fails at once. */
  close(): void;
}

/** What a transport must have ready before the first call: all groups and message channels of the run. */
export interface TransportPlan {
  readonly size: number;
  /** Every group any rank will use, each once. */
  readonly groups: readonly Group[];
  readonly channels: readonly Channel[];
  /**
   * The ranks of each host; all share one if it is not given. All-to-alls of groups with as many members on each of several hosts then go first
   * within hosts and then across them: what a member has for others of another host goes in one message.
   */
  readonly hosts?: readonly (readonly number[])[];
  /** How long, in seconds, nothing may move of what a call waits for, and a rank between calls may be without a heartbeat. */
  readonly timeoutSeconds: number;
  /** Where the paths through the transport part: results are the same bits whatever they are. */
  readonly limits?: Partial<TransportLimits>;
}

/** Sizes from which on a transport moves data in another way. Small ones send small vectors down the paths of large ones. */
export interface TransportLimits {
  /** Bytes up to which every rank reduces a whole vector itself: one synchronisation in place of two. */
  readonly smallReduceBytes: number;
  /** Bytes of a contiguous run (all of a vector, a block, a row of a cut) from which on registered vectors are read in place. */
  readonly inPlaceBytes: number;
  /** The same for the vectors of an all-reduce. */
  readonly inPlaceReduceBytes: number;
  /** Most bytes of a vector that are moved at a time through slots: a multiple of 64, and at least 64 for each rank of the largest group. */
  readonly chunkBytes: number;
  /** Most bytes of a message moved before the other side hears of them: a multiple of 8. */
  readonly pieceBytes: number;
  /** Elements up to which a loop copies them; beyond, they are copied as bytes. */
  readonly loopElements: number;
}
