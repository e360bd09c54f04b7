// The collectives on vectors in registered memory: no slots, every member reads its peers' vectors where they are.
//
// The rule of group-end.ts for them: `sources` has met, so all vectors are complete. A member reads peers' vectors from then on and until
// it posts its last phase, and writes of all vectors only what is its own to write in this call; after the call's last meeting a vector is
// its owner's again.
//
//   sources               meet
//   all have posted ─► reduce own slice of all vectors, into all ─► all slices are reduced
//
// Still shards are read without any of that, once it is known where they lie: meetings of other calls stand before and behind.
import type { ReduceOp, Vector } from '../transport.ts';
import type { CollectiveEnd } from './group-end.ts';
import { further, type Place } from './peer-memory.ts';
import { lineElements, sliceStart } from './slices.ts';

type Sources = readonly Place[];

function meet(end: CollectiveEnd): void {
  end.advance();
  end.meet();
}

/** The members from the next one on, so that not all read the same memory at once. */
function othersOf({ me, size }: CollectiveEnd): number[] {
  return Array.from({ length: size - 1 }, (_, i) => (me + 1 + i) % size);
}

/** Every member reduces its own slice of all vectors, and writes it into all: nobody else reads or writes those slices. */
export function reduceAll(end: CollectiveEnd, sources: Sources, data: Vector, op: ReduceOp): void {
  const { me, size } = end;
  const width = data.BYTES_PER_ELEMENT;
  const startOf = (member: number): number => sliceStart(data.length, member, size, lineElements(data));
  const [low, high] = [startOf(me), startOf(me + 1)];
  const slices = sources.map((source) => further(source, low * width));
  const others = othersOf(end).map((member) => slices[member]!);
  if (high > low) end.context.peers.reduce(op, slices, data, low, high - low, others);
  meet(end);
}

/** `whole` is [outer, ranks, inner]. */
export function gather(end: CollectiveEnd, sources: Sources, shard: Vector, whole: Vector, inner: number): void {
  takeShards(end, sources, shard, whole, inner);
  meet(end);
}

/** Copies all members' shards into `whole`. */
export function takeShards(end: CollectiveEnd, sources: Sources, shard: Vector, whole: Vector, inner: number): void {
  const { me, size } = end;
  const { peers } = end.context;
  const rowBytes = inner * shard.BYTES_PER_ELEMENT;
  const outer = shard.length / inner;
  const members = isPartOf(shard, whole, me * inner) ? othersOf(end) : [...othersOf(end), me];
  for (const member of members)
    for (let row = 0; row < outer; row++)
      peers.copy(further(sources[member]!, row * rowBytes), whole, (row * size + member) * inner, inner);
}

/** True if `shard` is `whole` from element `start` on. */
const isPartOf = (shard: Vector, whole: Vector, start: number): boolean =>
  shard.buffer === whole.buffer && shard.byteOffset === whole.byteOffset + start * whole.BYTES_PER_ELEMENT;

export function reduceScattered(end: CollectiveEnd, sources: Sources, shard: Vector, inner: number): void {
  const { me, size } = end;
  const rowBytes = inner * shard.BYTES_PER_ELEMENT;
  for (let row = 0; row * inner < shard.length; row++)
    end.context.peers.reduce(
      'sum',
      sources.map((source) => further(source, (row * size + me) * rowBytes)),
      shard,
      row * inner,
      inner,
    );
  meet(end);
}

export function exchange(end: CollectiveEnd, sources: Sources, output: Vector): void {
  const { me } = end;
  const block = output.length / end.size;
  const bytes = block * output.BYTES_PER_ELEMENT;
  for (const member of [...othersOf(end), me])
    end.context.peers.copy(further(sources[member]!, me * bytes), output, member * block, block);
  meet(end);
}

/** Takes all of a vector, if there is one to take. */
export function take(end: CollectiveEnd, source: Place | undefined, target: Vector): void {
  if (source) end.context.peers.copy(source, target, 0, target.length);
  meet(end);
}
