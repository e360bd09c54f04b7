// One collective on given inputs, and its naive reference: every rank knows all ranks' inputs and computes the answer alone.
import type { Group } from '../../src/mesh/mesh.ts';
import type { ReduceOp, Transport, Vector } from '../../src/runtime/transport/transport.ts';

export type VectorType = 'f32' | 'f64' | 'i32';

export type Case = { readonly type: VectorType } & (
  | { readonly op: 'allReduce'; readonly reduce: ReduceOp; readonly length: number }
  | { readonly op: 'allGather' | 'reduceScatter'; readonly outer: number; readonly inner: number }
  | { readonly op: 'allToAll'; readonly block: number }
  | { readonly op: 'ringShift'; readonly length: number; readonly shift: number }
  | { readonly op: 'broadcast'; readonly length: number; readonly root: number }
);

const make = (type: VectorType, length: number): Vector =>
  type === 'f32' ? new Float32Array(length) : type === 'f64' ? new Float64Array(length) : new Int32Array(length);

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
  for (const input of inputs.slice(1))
    input.forEach((value, i) => {
      result[i] = reduce === 'sum' ? result[i]! + value : Math.max(result[i]!, value);
    });
  return result;
}

/** FNV-1a over the bytes. */
function digestOf(data: Vector): number {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  let hash = 0x811c9dc5 | 0;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash;
}

/** What the call left and what it should have. */
function perform(transport: Transport, group: Group, one: Case, seed: number): { got: Vector; want: Vector } {
  const size = group.ranks.length;
  const me = group.ranks.indexOf(transport.rank);
  const site = `${one.op} ${seed}`;
  const all = (length: number): Vector[] => group.ranks.map((_, m) => inputOf(one.type, length, seed, m));
  switch (one.op) {
    case 'allReduce': {
      const inputs = all(one.length);
      const want = reduced(inputs, one.reduce);
      const got = inputs[me]!;
      transport.allReduce(group, got, one.reduce, site);
      return { got, want };
    }
    case 'allGather': {
      const { outer, inner } = one;
      const shards = all(outer * inner);
      const want = make(one.type, outer * inner * size);
      shards.forEach((shard, m) => {
        for (let o = 0; o < outer; o++)
          for (let i = 0; i < inner; i++) want[(o * size + m) * inner + i] = shard[o * inner + i]!;
      });
      const got = make(one.type, want.length);
      transport.allGather(group, shards[me]!, got, one, site);
      return { got, want };
    }
    case 'reduceScatter': {
      const { outer, inner } = one;
      const wholes = all(outer * inner * size);
      const sum = reduced(wholes, 'sum');
      const want = make(one.type, outer * inner);
      for (let o = 0; o < outer; o++)
        for (let i = 0; i < inner; i++) want[o * inner + i] = sum[(o * size + me) * inner + i]!;
      const got = make(one.type, want.length);
      transport.reduceScatter(group, wholes[me]!, got, one, site);
      return { got, want };
    }
    case 'allToAll': {
      const { block } = one;
      const inputs = all(block * size);
      const want = make(one.type, block * size);
      inputs.forEach((input, m) => {
        want.set(input.subarray(me * block, (me + 1) * block), m * block);
      });
      const got = make(one.type, want.length);
      transport.allToAll(group, inputs[me]!, got, site);
      return { got, want };
    }
    case 'ringShift': {
      const inputs = all(one.length);
      const want = inputs[(((me - one.shift) % size) + size) % size]!;
      const got = make(one.type, one.length);
      transport.ringShift(group, inputs[me]!, got, one.shift, site);
      return { got, want };
    }
    case 'broadcast': {
      const root = one.root % size;
      const inputs = all(one.length);
      const got = inputs[me]!.slice();
      transport.broadcast(group, got, root, site);
      return { got, want: inputs[root]! };
    }
  }
}

/** `error` says where the result first differs from the reference, to the bit. */
export function runCase(
  transport: Transport,
  group: Group,
  one: Case,
  seed: number,
): { error: string | undefined; digest: number } {
  const { got, want } = perform(transport, group, one, seed);
  const wrong = got.findIndex((value, i) => !Object.is(value, want[i]));
  const error = wrong < 0 ? undefined : `${JSON.stringify(one)}: [${wrong}] is ${got[wrong]}, not ${want[wrong]}`;
  return { error, digest: digestOf(got) };
}
