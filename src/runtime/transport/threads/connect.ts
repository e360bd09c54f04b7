// A worker's end of a threads world: the Transport that its rank works with.
import { fail } from '../../../errors.ts';
import { type Group, type GroupAxis, groupKey } from '../../../mesh/mesh.ts';
import { type CollectiveOp, type TrafficCounters, trafficBytes } from '../../../mesh/traffic.ts';
import type { Cut, Piece, ReduceOp, RowsToAll, Site, Tag, Transport, TransportPlan, Vector } from '../transport.ts';
import { opCode, typeCode } from './calls.ts';
import { Receiver, Sender } from './channel.ts';
import * as collectives from './collectives.ts';
import { type CollectiveEnd, GroupEnd } from './group-end.ts';
import * as hierarchical from './hierarchical.ts';
import { groupsAcross, groupsWithin, membersByHost } from './host-groups.ts';
import type { TransportParts } from './parts.ts';
import { RankContext } from './rank-context.ts';
import type { ThreadsShared } from './world-state.ts';

type Counters = { [axis in GroupAxis]?: { [op in CollectiveOp]?: { calls: number; bytes: number } } };

export function connectThreads(shared: ThreadsShared, rank: number, parts: TransportParts = {}): Transport {
  return new ThreadsTransport(shared, rank, parts);
}

class ThreadsTransport implements Transport {
  readonly rank: number;
  readonly size: number;
  readonly #context: RankContext;
  readonly #collectives: typeof collectives;
  readonly #ends = new Map<string, CollectiveEnd>();
  readonly #endOf = new WeakMap<Group, CollectiveEnd>();
  /** Of groups over several hosts. */
  readonly #hosts = new Map<CollectiveEnd, hierarchical.HostEnds>();
  readonly #senders = new Map<number, Sender>();
  readonly #receivers = new Map<number, Receiver>();
  readonly #counters: Counters = {};
  #lastGroup: Group | undefined;
  #lastEnd: CollectiveEnd | undefined;

  constructor(shared: ThreadsShared, rank: number, parts: TransportParts) {
    this.rank = rank;
    this.size = shared.plan.size;
    this.#context = new RankContext(shared, rank, parts);
    this.#collectives = { ...collectives, ...parts.collectives };
    shared.plan.groups.forEach((group, index) => {
      if (!group.ranks.includes(rank)) return;
      const end = new GroupEnd(this.#context, index);
      this.#ends.set(groupKey(group), parts.end?.(end) ?? end);
    });
    for (const end of this.#ends.values()) this.#addHosts(end, shared.plan.hosts);
    shared.plan.channels.forEach(({ from, to }, index) => {
      if (from === rank) this.#senders.set(to, new Sender(this.#context, to, index));
      if (to === rank) this.#receivers.set(from, new Receiver(this.#context, from, index));
    });
  }

  get counters(): TrafficCounters {
    return this.#counters;
  }

  allocate(bytes: number): Piece {
    return this.#context.registered.allocate(bytes);
  }

  allReduce(group: Group, data: Vector, op: ReduceOp, site: Site): void {
    const end = this.#end(group);
    end.begin(opCode[op], typeCode(data), data.length, 0, 0, 0, site);
    if (end.size > 1) this.#collectives.allReduce(end, data, op);
    this.#finish(end, 'allReduce', data);
  }

  allGather(group: Group, shard: Vector, whole: Vector, cut: Cut, site: Site, still = false): void {
    const end = this.#end(group);
    checkCut('allGather', shard, whole, cut, end.size, site);
    end.begin(opCode.allGather, typeCode(shard), shard.length, cut.outer, cut.inner, still ? 1 : 0, site);
    if (end.size > 1) this.#collectives.allGather(end, shard, whole, cut, still);
    else whole.set(shard);
    this.#finish(end, 'allGather', shard);
  }

  reduceScatter(group: Group, whole: Vector, shard: Vector, cut: Cut, site: Site): void {
    const end = this.#end(group);
    checkCut('reduceScatter', shard, whole, cut, end.size, site);
    end.begin(opCode.reduceScatter, typeCode(whole), whole.length, cut.outer, cut.inner, 0, site);
    if (end.size > 1) this.#collectives.reduceScatter(end, whole, shard, cut);
    else shard.set(whole);
    this.#finish(end, 'reduceScatter', whole);
  }

  allToAll(group: Group, input: Vector, output: Vector, site: Site): void {
    const end = this.#end(group);
    checkPair('allToAll', input, output, site);
    if (input.length % end.size !== 0)
      shapeError('allToAll', site, `${input.length} elements do not divide over ${end.size} ranks`);
    end.begin(opCode.allToAll, typeCode(input), input.length, 0, 0, 0, site);
    const hosts = this.#hosts.get(end);
    if (hosts) hierarchical.allToAll(end, hosts, input, output, site);
    else {
      if (end.size > 1) this.#collectives.allToAll(end, input, output);
      else output.set(input);
      end.end();
    }
    this.#countWhole(end, 'allToAll', input);
  }

  allToAllV(group: Group, rows: RowsToAll, site: Site): void {
    const end = this.#end(group);
    const { input, sent, width } = rows;
    checkRows(rows, end.size, site);
    const count = sent.reduce((sum, rows) => sum + rows, 0) * width;
    end.begin(opCode.allToAllV, typeCode(input), count, 0, width, 0, site);
    const hosts = this.#hosts.get(end);
    if (hosts) hierarchical.allToAllV(end, hosts, rows, site);
    else {
      this.#collectives.allToAllV(end, rows, site);
      end.end();
    }
    const own = sent[end.me]! * width;
    this.#count(end.group.axis, 'allToAllV', (count - own) * input.BYTES_PER_ELEMENT);
  }

  ringShift(group: Group, input: Vector, output: Vector, shift: number, site: Site): void {
    const end = this.#end(group);
    checkPair('ringShift', input, output, site);
    end.begin(opCode.ringShift, typeCode(input), input.length, 0, 0, shift, site);
    if (end.size > 1) this.#collectives.ringShift(end, input, output, shift);
    else output.set(input);
    this.#finish(end, 'ringShift', input);
  }

  broadcast(group: Group, data: Vector, root: number, site: Site): void {
    const end = this.#end(group);
    if (!(root >= 0 && root < end.size))
      shapeError('broadcast', site, `root ${root} is not a member of a group of ${end.size}`);
    end.begin(opCode.broadcast, typeCode(data), data.length, 0, 0, root, site);
    if (end.size > 1) this.#collectives.broadcast(end, data, root);
    this.#finish(end, 'broadcast', data);
  }

  barrier(group: Group, site: Site): void {
    const end = this.#end(group);
    end.begin(opCode.barrier, 0, 0, 0, 0, 0, site);
    if (end.size > 1) this.#collectives.barrier(end);
    end.end();
  }

  send(to: number, data: Vector, tag: Tag, site: Site): void {
    const sender = this.#senders.get(to) ?? noChannel(this.rank, to);
    sender.send(data, tag, site);
    this.#count('pp', 'send', data.byteLength);
  }

  recv(from: number, data: Vector, tag: Tag, site: Site): void {
    const receiver = this.#receivers.get(from) ?? noChannel(from, this.rank);
    receiver.recv(data, tag, site);
  }

  heartbeat(site: Site): void {
    this.#context.heartbeat(site);
  }

  close(): void {
    this.#context.finish();
  }

  #end(group: Group): CollectiveEnd {
    if (group === this.#lastGroup) return this.#lastEnd!;
    let end = this.#endOf.get(group);
    if (!end) {
      end = this.#ends.get(groupKey(group));
      if (!end) throw new Error(`the transport's plan has no group ${groupKey(group)} with rank ${this.rank} in it`);
      this.#endOf.set(group, end);
    }
    this.#lastGroup = group;
    this.#lastEnd = end;
    return end;
  }

  #addHosts(end: CollectiveEnd, hosts: TransportPlan['hosts']): void {
    const members = membersByHost(end.group, hosts);
    if (!members) return;
    const own = (groups: Group[]): CollectiveEnd =>
      this.#ends.get(groupKey(groups.find(({ ranks }) => ranks.includes(this.rank))!))!;
    this.#hosts.set(end, {
      members,
      within: own(groupsWithin(end.group, members)),
      across: own(groupsAcross(end.group, members)),
      exchange: this.#collectives.allToAllV,
    });
  }

  #finish(end: CollectiveEnd, op: CollectiveOp, data: Vector): void {
    end.end();
    this.#countWhole(end, op, data);
  }

  #countWhole(end: CollectiveEnd, op: CollectiveOp, data: Vector): void {
    this.#count(end.group.axis, op, trafficBytes(op, data.byteLength, end.size));
  }

  #count(axis: GroupAxis, op: CollectiveOp, bytes: number): void {
    this.#counters[axis] ??= {};
    const ofAxis = this.#counters[axis];
    ofAxis[op] ??= { calls: 0, bytes: 0 };
    const counter = ofAxis[op];
    counter.calls++;
    counter.bytes += bytes;
  }
}

function noChannel(from: number, to: number): never {
  throw new Error(`the transport's plan has no channel from rank ${from} to rank ${to}`);
}

function shapeError(op: string, site: Site, problem: string): never {
  fail('SHAPE_MISMATCH', { op, site, problem });
}

function checkPair(op: string, input: Vector, output: Vector, site: Site): void {
  if (input.length !== output.length || typeCode(input) !== typeCode(output))
    shapeError(
      op,
      site,
      `input has ${input.length} elements and output ${output.length}; both need the same type and length`,
    );
}

function checkRows({ input, sent, output, received, width }: RowsToAll, size: number, site: Site): void {
  if (typeCode(input) !== typeCode(output)) shapeError('allToAllV', site, 'input and output need the same type');
  if (sent.length !== size || received.length !== size)
    shapeError('allToAllV', site, `${sent.length} and ${received.length} counts, where ${size} ranks need one each`);
  if (!(Number.isInteger(width) && width >= 1)) shapeError('allToAllV', site, `a row of ${width} elements is none`);
}

function checkCut(op: string, shard: Vector, whole: Vector, cut: Cut, size: number, site: Site): void {
  const length = cut.outer * cut.inner;
  if (shard.length !== length || whole.length !== length * size || typeCode(shard) !== typeCode(whole))
    shapeError(
      op,
      site,
      `shard has ${shard.length} and whole ${whole.length} elements; the cut ${cut.outer}x${cut.inner} over ${size} ranks needs ${length} and ${length * size} of one type`,
    );
}
