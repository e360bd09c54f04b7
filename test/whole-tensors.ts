// Puts what all ranks hold together into whole tensors, and says where two sets of tensors differ most.
import { forEachRun } from '../src/checkpoint/ranges.ts';
import type { EqualityResult, Shard } from './equality-rank.ts';

/** By what it is (`parameter`, `gradient 1`, `firstMoment`, ..), then by parameter. */
export type WholeTensors = ReadonlyMap<string, ReadonlyMap<string, Float64Array>>;

/** Throws when copies of an element differ in a single bit, when an element is on no rank, or when padding is not zero. */
export function assemble(results: readonly EqualityResult[]): WholeTensors {
  const wholes = new Map<string, Map<string, Float64Array>>();
  for (const [rank, { shards, padding }] of results.entries()) {
    if (padding !== 0) throw new Error(`rank ${rank}: padding became ${padding}`);
    for (const shard of shards) {
      const { what, name, shape } = shard;
      const size = shape.reduce((product, dim) => product * dim, 1);
      const kind = wholes.get(what) ?? new Map<string, Float64Array>();
      wholes.set(what, kind);
      const whole = kind.get(name) ?? new Float64Array(size).fill(Number.NaN);
      kind.set(name, whole);
      place(whole, shard, `rank ${rank}: ${what} of ${name}`);
    }
  }
  for (const [what, kind] of wholes)
    for (const [name, numbers] of kind)
      if (numbers.some(Number.isNaN))
        throw new Error(`${what} of ${name} is not whole: some element is on no rank, or not a number`);
  return wholes;
}

function place(whole: Float64Array, { shape, ranges, numbers }: Shard, what: string): void {
  forEachRun(shape, ranges, (start, at, count) => {
    for (let i = 0; i < count; i++) {
      const [to, value] = [start + i, numbers[at + i]!];
      if (!Number.isNaN(whole[to]) && !Object.is(whole[to], value))
        throw new Error(`${what}: element ${to} is ${value} where another rank has ${whole[to]}`);
      whole[to] = value;
    }
  });
}

/** Largest difference over `scale`, which is by default the largest element of `b`. */
export function difference(a: ArrayLike<number>, b: ArrayLike<number>, scale = largest(b)): number {
  if (a.length !== b.length) throw new Error(`${a.length} numbers compared with ${b.length}`);
  let most = 0;
  // A NaN on either side counts as a difference.
  for (let i = 0; i < b.length; i++) most = Math.max(most, Math.abs(a[i]! - b[i]!));
  return most === 0 ? 0 : most / scale;
}

export function largest(values: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < values.length; i++) most = Math.max(most, Math.abs(values[i]!));
  return most;
}
