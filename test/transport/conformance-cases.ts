// One collective on given inputs, and its naive reference: every rank knows all ranks' inputs and computes the answer alone.
import type { Group } from '../../src/mesh/mesh.ts';
import type { Piece, ReduceOp, Transport, Vector } from '../../src/runtime/transport/transport.ts';

export type VectorType = 'f32' | 'f64' | 'i32';

export type Case = { readonly type: VectorType } & (
  | { readonly op: 'allReduce'; readonly reduce: ReduceOp; readonly length: number }
  | {
      readonly op: 'allGather' | 'reduceScatter';
      readonly outer: number;
      readonly inner: number;
      /** The shard is the rank's part of the whole itself; outer is 1. */
      readonly inside?: boolean;
      /** Of a gather that meets, and two of the same shards that need not. */
      readonly still?: boolean;
    }
  | { readonly op: 'allToAll'; readonly block: number }
  | { readonly op: 'ringShift'; readonly length: number; readonly shift: number }
  | { readonly op: 'broadcast'; readonly length: number; readonly root: number }
);

/** What a rank does with its vectors itself, before and after a call. */
export interface Owner {
  /** Bytes for a vector, holding anything. */
  readonly allocate: (bytes: number) => Piece;
  /** Told before the rank writes or reads a vector. */
  readonly touch?: (vector: Vector, what: 'write' | 'read') => void;
}

export const ownMemory: Owner = { allocate: (bytes) => new Uint8Array(bytes) };

const widths = { f32: 4, f64: 8, i32: 4 } as const;

function make(type: VectorType, length: number, { allocate } = ownMemory): Vector {
  const { buffer, byteOffset } = allocate(length * widths[type]);
  if (type === 'f32') return new Float32Array(buffer, byteOffset, length);
  return type === 'f64' ? new Float64Array(buffer, byteOffset, length) : new Int32Array(buffer, byteOffset, length);
}

/** Numbers whose sums round, so that another order of summing shows. */
function inputOf(type: VectorType, length: number, seed: number, member: number): Vector {
  const data = make(type, length);
  let state = Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(member + 1, 0x85ebca6b);
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + i) | 0;
    data[i] = type === 'i32' ? state >> 8 : (state / 2 ** 31) * 10 ** (i % 4);
  }
  return data;
}

/** Sums or takes the larger in the order of the members, rounding after each as the type does. */
function reduced(inputs: readonly Vector[], reduce: ReduceOp): Vector {
  const result = inputs[0]!.slice();
  // Not forEach: on Node 22.23 one call of its callback was seen to get lost, about when the callback is compiled.
  for (const input of inputs.slice(1))
    for (let i = 0; i < input.length; i++)
      result[i] = reduce === 'sum' ? result[i]! + input[i]! : Math.max(result[i]!, input[i]!);
  return result;
}

/** FNV-1a over the bytes. */
function digestOf(data: Vector): number {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  let hash = 0x811c9dc5 | 0;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash;
}

/** The vectors of a call: the rank writes them before, reads one after, and writes them anew as soon as the call has returned. */
class Vectors {
  readonly #owner: Owner;
  readonly #type: VectorType;
  readonly #all: Vector[] = [];

  constructor(owner: Owner, type: VectorType) {
    this.#owner = owner;
    this.#type = type;
  }

  empty(length: number): Vector {
    const vector = make(this.#type, length, this.#owner);
    this.#all.push(vector);
    this.write(vector);
    return vector.fill(-1);
  }

  of(values: Vector): Vector {
    const vector = this.empty(values.length);
    vector.set(values);
    return vector;
  }

  write(vector: Vector): void {
    this.#owner.touch?.(vector, 'write');
  }

  /** What a vector holds; afterwards all of the call's hold something else. */
  take(result: Vector): Vector {
    this.#owner.touch?.(result, 'read');
    const got = result.slice();
    for (const vector of this.#all) {
      this.write(vector);
      vector.fill(-2);
    }
    return got;
  }
}

interface Outcome {
  readonly got: Vector;
  readonly want: Vector;
}

interface Performing {
  readonly transport: Transport;
  readonly group: Group;
  readonly vectors: Vectors;
  readonly site: string;
  readonly me: number;
  /** Every member's numbers. */
  readonly all: (length: number) => Vector[];
}

type CaseOf<Op extends Case['op']> = Extract<Case, { readonly op: Op }>;
type CutCase = CaseOf<'allGather' | 'reduceScatter'>;

/** What the call left and what it should have. */
function perform(transport: Transport, group: Group, one: Case, seed: number, owner: Owner): Outcome {
  const me = group.ranks.indexOf(transport.rank);
  const all = (length: number): Vector[] => group.ranks.map((_, m) => inputOf(one.type, length, seed, m));
  const performing = { transport, group, vectors: new Vectors(owner, one.type), site: `${one.op} ${seed}`, me, all };
  switch (one.op) {
    case 'allReduce': {
      const inputs = all(one.length);
      const data = performing.vectors.of(inputs[me]!);
      transport.allReduce(group, data, one.reduce, performing.site);
      return { got: performing.vectors.take(data), want: reduced(inputs, one.reduce) };
    }
    case 'allGather':
      return performGather(performing, one);
    case 'reduceScatter':
      return performScatter(performing, one);
    default:
      return performMove(performing, one);
  }
}

function performGather({ transport, group, vectors, site, me, all }: Performing, one: CutCase): Outcome {
  const { outer, inner } = one;
  const size = group.ranks.length;
  const shards = all(outer * inner);
  const want = make(one.type, outer * inner * size);
  shards.forEach((shard, m) => {
    for (let o = 0; o < outer; o++)
      for (let i = 0; i < inner; i++) want[(o * size + m) * inner + i] = shard[o * inner + i]!;
  });
  const whole = vectors.empty(want.length);
  const shard = one.inside ? whole.subarray(me * inner, (me + 1) * inner) : vectors.empty(shards[me]!.length);
  shard.set(shards[me]!);
  transport.allGather(group, shard, whole, one, site);
  if (one.still) {
    for (let round = 0; round < 2; round++) {
      vectors.write(whole);
      whole.fill(-1);
      transport.allGather(group, shard, whole, one, `${site} still`, true);
    }
    transport.allReduce(group, new Float64Array(1), 'sum', `${site} before the shard changes`);
  }
  return { got: vectors.take(whole), want };
}

function performScatter({ transport, group, vectors, site, me, all }: Performing, one: CutCase): Outcome {
  const { outer, inner } = one;
  const size = group.ranks.length;
  const wholes = all(outer * inner * size);
  const sum = reduced(wholes, 'sum');
  const want = make(one.type, outer * inner);
  for (let o = 0; o < outer; o++)
    for (let i = 0; i < inner; i++) want[o * inner + i] = sum[(o * size + me) * inner + i]!;
  const whole = vectors.of(wholes[me]!);
  const shard = one.inside ? whole.subarray(me * inner, (me + 1) * inner) : vectors.empty(want.length);
  transport.reduceScatter(group, whole, shard, one, site);
  return { got: vectors.take(shard), want };
}

function performMove(
  { transport, group, vectors, site, me, all }: Performing,
  one: CaseOf<'allToAll' | 'ringShift' | 'broadcast'>,
): Outcome {
  const size = group.ranks.length;
  if (one.op === 'allToAll') {
    const { block } = one;
    const inputs = all(block * size);
    const want = make(one.type, block * size);
    inputs.forEach((input, m) => {
      want.set(input.subarray(me * block, (me + 1) * block), m * block);
    });
    const [input, output] = [vectors.of(inputs[me]!), vectors.empty(want.length)];
    transport.allToAll(group, input, output, site);
    return { got: vectors.take(output), want };
  }
  const inputs = all(one.length);
  const data = vectors.of(inputs[me]!);
  if (one.op === 'ringShift') {
    const want = inputs[(((me - one.shift) % size) + size) % size]!;
    const output = vectors.empty(one.length);
    transport.ringShift(group, data, output, one.shift, site);
    return { got: vectors.take(output), want };
  }
  const root = one.root % size;
  transport.broadcast(group, data, root, site);
  return { got: vectors.take(data), want: inputs[root]! };
}

/** `error` says where the result first differs from the reference, to the bit. */
export function runCase(
  transport: Transport,
  group: Group,
  one: Case,
  seed: number,
  owner: Owner = ownMemory,
): { error: string | undefined; digest: number } {
  const { got, want } = perform(transport, group, one, seed, owner);
  const wrong = got.findIndex((value, i) => !Object.is(value, want[i]));
  const error = wrong < 0 ? undefined : `${JSON.stringify(one)}: [${wrong}] is ${got[wrong]}, not ${want[wrong]}`;
  return { error, digest: digestOf(got) };
}
