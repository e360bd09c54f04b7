// The calls that are put after one another: every collective at sizes on both sides of every threshold, and messages.
import type { Group } from '../../src/mesh/mesh.ts';
import type { Transport, TransportLimits, Vector } from '../../src/runtime/transport/transport.ts';
import { type Case, runCase } from '../transport/conformance-cases.ts';
import { type Owner, ownMemory, type VectorType } from '../transport/conformance-vectors.ts';

/** Small, so that few bytes take every path: large vectors are some hundred bytes here. */
export const smallLimits: TransportLimits = {
  smallReduceBytes: 64,
  inPlaceBytes: 48,
  inPlaceReduceBytes: 48,
  chunkBytes: 256,
  pieceBytes: 32,
  loopElements: 4,
};

/** Bytes and messages of the channels round the ring of all ranks. */
export const channelCapacity = 64;
export const channelMessages = 3;

export type Call =
  /** With vectors of the rank's own, in registered memory, or in registered memory but for member 1. */
  | (Case & { readonly memory?: 'registered' | 'mixed' })
  | { readonly op: 'barrier' }
  /** Every rank sends to the next and receives from the one before. */
  | { readonly op: 'exchange'; readonly type: VectorType; readonly length: number }
  /** Rank 0 sends to rank 1, and may be as many messages ahead as the channel lets it. */
  | { readonly op: 'message'; readonly type: VectorType; readonly length: number };

/** Messages that are nothing, a piece, a little more, all of the channel, and more than it holds. */
export function allMessages(): Call[] {
  const { pieceBytes } = smallLimits;
  const f32 = { op: 'message', type: 'f32' } as const;
  const f64 = { op: 'message', type: 'f64' } as const;
  return [
    { ...f32, length: 0 },
    { ...f32, length: 1 },
    { ...f32, length: 3 },
    { ...f64, length: pieceBytes / 8 },
    { ...f32, length: pieceBytes / 4 + 1 },
    { ...f32, length: channelCapacity / 4 },
    { ...f64, length: channelCapacity / 8 + 13 },
  ];
}

/** All calls of a group of `size`, and messages between them. */
export function allCalls(size: number): Call[] {
  const { smallReduceBytes, chunkBytes } = smallLimits;
  const small = smallReduceBytes / 4;
  const chunk = chunkBytes / 4;
  // The most columns of which a row of all blocks is one chunk.
  const edge = Math.floor(chunk / size);
  // Of a slot with counts.
  const rowsChunk = chunk - 64 / 4;
  const f32 = { type: 'f32' } as const;
  const f64 = { type: 'f64' } as const;
  const sums = [0, 3, small, small + 1, chunk, chunk + 1, 2 * chunk + 20];
  const cuts = [
    [0, 4],
    [1, 3],
    [1, edge + 1],
    [2, 1],
    [2, edge + 1],
    [50, 3],
  ] as const;
  return [
    ...sums.map((length): Call => ({ op: 'allReduce', reduce: 'sum', length, ...f32 })),
    ...[small / 2, small / 2 + 1, chunk / 2 + 1].map(
      (length): Call => ({ op: 'allReduce', reduce: 'sum', length, ...f64 }),
    ),
    ...[small, chunk + 1].map((length): Call => ({ op: 'allReduce', reduce: 'max', length, ...f32 })),
    ...cuts.map(([outer, inner]): Call => ({ op: 'allGather', outer, inner, ...f32 })),
    { op: 'allGather', outer: 1, inner: edge, ...f32 },
    { op: 'allGather', outer: 5, inner: 2, ...f64 },
    ...cuts.map(([outer, inner]): Call => ({ op: 'reduceScatter', outer, inner, ...f32 })),
    { op: 'reduceScatter', outer: 5, inner: 2, ...f64 },
    ...[0, 3, edge, edge + 1].map((block): Call => ({ op: 'allToAll', block, ...f32 })),
    { op: 'allToAllV', pattern: 'none', rows: 0, width: 1, ...f32 },
    { op: 'allToAllV', pattern: 'uneven', rows: 1, width: 3, spare: 1, ...f32 },
    // What one member sends is all of a chunk, and a little more.
    { op: 'allToAllV', pattern: 'toFirst', rows: rowsChunk, width: 1, ...f32 },
    { op: 'allToAllV', pattern: 'fromLast', rows: rowsChunk / 2 + 1, width: 1, ...f64 },
    { op: 'ringShift', length: 0, shift: 1, ...f32 },
    { op: 'ringShift', length: 5, shift: 1, ...f32 },
    { op: 'ringShift', length: chunk + 6, shift: -1, ...f64 },
    { op: 'broadcast', length: 5, root: 0, ...f32 },
    { op: 'broadcast', length: chunk + 6, root: 1, ...f32 },
    { op: 'barrier' },
    { op: 'exchange', length: 3, ...f32 },
    { op: 'exchange', length: 21, ...f64 },
  ];
}

/** Calls on registered vectors, at sizes on both sides of the threshold: sums, copies, shards inside their wholes, and still ones. */
export function registeredCalls(): Call[] {
  // The fewest elements that are read in place.
  const least = smallLimits.inPlaceBytes / 4;
  const f32 = { type: 'f32', memory: 'registered' } as const;
  const f64 = { type: 'f64', memory: 'registered' } as const;
  const mixed = { type: 'f32', memory: 'mixed' } as const;
  return [
    ...[least - 1, least, 5 * least + 7].map((length): Call => ({ op: 'allReduce', reduce: 'sum', length, ...f32 })),
    { op: 'allReduce', reduce: 'sum', length: least, ...f64 },
    { op: 'allReduce', reduce: 'max', length: 3 * least, ...f32 },
    { op: 'allReduce', reduce: 'sum', length: 3 * least, ...mixed },
    { op: 'allGather', outer: 1, inner: least + 3, ...f32 },
    { op: 'allGather', outer: 3, inner: least + 1, ...f32 },
    { op: 'allGather', outer: 1, inner: 2 * least, inside: true, ...f32 },
    { op: 'allGather', outer: 1, inner: least + 9, still: true, ...f32 },
    { op: 'allGather', outer: 2, inner: least + 1, still: true, ...f64 },
    { op: 'reduceScatter', outer: 1, inner: least + 3, ...f32 },
    { op: 'reduceScatter', outer: 3, inner: least + 1, ...f32 },
    { op: 'reduceScatter', outer: 1, inner: 2 * least, inside: true, ...f64 },
    { op: 'allToAll', block: least + 3, ...f32 },
    // Some members' blocks are read in place, others go through slots.
    { op: 'allToAllV', pattern: 'uneven', rows: 4, width: 2, ...f32 },
    { op: 'allToAllV', pattern: 'uneven', rows: least, width: 1, spare: 2, ...f32 },
    { op: 'allToAllV', pattern: 'uneven', rows: 3 * least, width: 1, ...mixed },
    { op: 'ringShift', length: least + 5, shift: 1, ...f32 },
    { op: 'broadcast', length: least + 5, root: 0, ...f32 },
    { op: 'broadcast', length: least + 6, root: 0, ...mixed },
    { op: 'broadcast', length: least + 7, root: 1, ...mixed },
  ];
}

/** One of every kind of those, all read in place. */
export function fewRegisteredCalls(): Call[] {
  const chosen: readonly string[] = [
    'allReduce f32 67 registered',
    'allGather f32 1x24 inside registered',
    'allGather f32 1x21 still registered',
    'reduceScatter f32 3x13 registered',
    'allToAllV f32 uneven 12x1 registered',
    'broadcast f32 17 registered',
  ];
  return registeredCalls().filter((call) => chosen.includes(callName(call)));
}

/** One of every kind, for groups inside groups: small and large. */
export function fewCalls(size: number): Call[] {
  const chosen: readonly string[] = [
    'allReduce f32 3',
    'allReduce f32 65',
    'allGather f32 50x3',
    `allGather f32 1x${Math.floor(64 / size) + 1}`,
    'reduceScatter f32 50x3',
    'allToAllV f64 fromLast 25x1',
    'broadcast f32 70',
    'exchange f64 21',
  ];
  return allCalls(size).filter((call) => chosen.includes(callName(call)));
}

/** e.g. `allGather f32 50x3` or `allGather f32 1x24 inside registered`. */
export function callName(call: Call): string {
  const inside = 'inside' in call && call.inside ? ' inside' : '';
  const still = 'still' in call && call.still ? ' still' : '';
  return `${plainName(call)}${inside}${still}${'memory' in call ? ` ${call.memory}` : ''}`;
}

function plainName(call: Call): string {
  switch (call.op) {
    case 'barrier':
      return call.op;
    case 'allGather':
    case 'reduceScatter':
      return `${call.op} ${call.type} ${call.outer}x${call.inner}`;
    case 'allToAll':
      return `${call.op} ${call.type} ${call.block}`;
    case 'allToAllV':
      return `${call.op} ${call.type} ${call.pattern} ${call.rows}x${call.width}`;
    case 'allReduce':
      return `${call.op}${call.reduce === 'max' ? '(max)' : ''} ${call.type} ${call.length}`;
    default:
      return `${call.op} ${call.type} ${call.length}`;
  }
}

/** Makes a call; returns what is wrong with its result. `registered`: has its vectors in registered memory. */
export function makeCall(
  transport: Transport,
  group: Group,
  call: Call,
  seed: number,
  registered: Owner,
): string | undefined {
  if (call.op === 'barrier') transport.barrier(group, 'barrier');
  else if (call.op === 'exchange') return exchange(transport, call.type, call.length, seed);
  else if (call.op === 'message') return message(transport, call.type, call.length, seed);
  else return runCase(transport, group, call, seed, ownerOf(call, group, transport.rank, registered)).error;
  return undefined;
}

function ownerOf(call: Call, { ranks }: Group, rank: number, registered: Owner): Owner {
  const memory = 'memory' in call ? call.memory : undefined;
  return memory === 'registered' || (memory === 'mixed' && ranks[1] !== rank) ? registered : ownMemory;
}

const vectorOf = (type: VectorType, length: number) =>
  type === 'f64' ? new Float64Array(length) : type === 'f32' ? new Float32Array(length) : new Int32Array(length);

/** Even ranks send first: a message larger than its channel needs a receiver. */
function exchange(transport: Transport, type: VectorType, length: number, seed: number): string | undefined {
  const { rank, size } = transport;
  const from = (rank + size - 1) % size;
  const got = vectorOf(type, length);
  const send = (): void =>
    transport.send((rank + 1) % size, vectorOf(type, length).fill(seed + rank), seed, 'exchange');
  const receive = (): void => transport.recv(from, got, seed, 'exchange');
  if (rank % 2 === 0) {
    send();
    receive();
  } else {
    receive();
    send();
  }
  return wrongIn(got, seed + from);
}

function message(transport: Transport, type: VectorType, length: number, seed: number): string | undefined {
  if (transport.rank === 0) transport.send(1, vectorOf(type, length).fill(seed), seed, 'message');
  if (transport.rank !== 1) return undefined;
  const got = vectorOf(type, length);
  transport.recv(0, got, seed, 'message');
  return wrongIn(got, seed);
}

function wrongIn(got: Vector, want: number): string | undefined {
  const wrong = got.findIndex((value) => value !== want);
  return wrong < 0 ? undefined : `a message's [${wrong}] is ${got[wrong]}, not ${want}`;
}
