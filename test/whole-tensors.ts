// Puts the shards of all ranks together into whole tensors, and says where two sets of tensors differ most.
import type { EqualityResult, Shard } from './equality-rank.ts';

export interface WholeTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly gradients: readonly Float64Array[];
  readonly weight: Float64Array;
}

/** Throws when copies of an element differ in a single bit, when an element is on no rank, or when padding is not zero. */
export function assemble(results: readonly EqualityResult[]): Map<string, WholeTensor> {
  const wholes = new Map<string, WholeTensor>();
  for (const [rank, { shards }] of results.entries())
    for (const shard of shards) {
      if (shard.padding !== 0) throw new Error(`rank ${rank}: padding of ${shard.name} became ${shard.padding}`);
      const size = shard.shape.reduce((product, dim) => product * dim, 1);
      const empty = () => new Float64Array(size).fill(Number.NaN);
      let whole = wholes.get(shard.name);
      if (!whole) {
        whole = { name: shard.name, shape: shard.shape, gradients: shard.gradients.map(empty), weight: empty() };
        wholes.set(shard.name, whole);
      }
      for (const [step, gradient] of shard.gradients.entries())
        place(whole.gradients[step]!, gradient, shard, `rank ${rank}: gradient ${step + 1} of ${shard.name}`);
      place(whole.weight, shard.weight, shard, `rank ${rank}: weight ${shard.name}`);
    }
  for (const { name, gradients, weight } of wholes.values())
    if ([...gradients, weight].some((values) => values.some(Number.isNaN)))
      throw new Error(`${name} is not whole: some element is on no rank, or not a number`);
  return wholes;
}

function place(whole: Float64Array, part: Float64Array, { shape, ranges }: Shard, what: string): void {
  const [rows, columns] = ranges.length === 2 ? [ranges[0]!, ranges[1]!] : [[0, 1] as const, ranges[0]!];
  const width = shape[shape.length - 1]!;
  let from = 0;
  for (let row = rows[0]; row < rows[1]; row++)
    for (let column = columns[0]; column < columns[1]; column++) {
      const to = row * width + column;
      const value = part[from++]!;
      if (!Number.isNaN(whole[to]) && !Object.is(whole[to], value))
        throw new Error(`${what}: element ${to} is ${value} where another rank has ${whole[to]}`);
      whole[to] = value;
    }
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
