// One collective on given inputs, and its naive reference: every rank knows all ranks' inputs and computes the answer alone.
import type { Group } from '../../src/mesh/mesh.ts';
import type { ReduceOp, Transport, Vector } from '../../src/runtime/transport/transport.ts';
import { performRows, type RowsCase } from './conformance-rows.ts';
import {
  inputOf,
  make,
  type Outcome,
  type Owner,
  ownMemory,
  type Performing,
  Vectors,
  type VectorType,
} from './conformance-vectors.ts';

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
  | RowsCase
  | { readonly op: 'ringShift'; readonly length: number; readonly shift: number }
  | { readonly op: 'broadcast'; readonly length: number; readonly root: number }
);

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
    case 'allToAllV':
      return performRows(performing, one);
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
