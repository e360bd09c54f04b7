// Buffers by their lives: what a plan of memory is made from.

/** A buffer that is first written by instruction `first` and last read by instruction `last`. */
export interface Lifetime {
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
}

/** Offsets are multiples of it: a cache line. */
export const alignment = 64;

/** Lifetimes as the placing ones take them: sizes aligned, and who begins and ends when. */
export interface Lives {
  readonly count: number;
  readonly sizes: Float64Array;
  readonly first: Int32Array;
  readonly last: Int32Array;
  /** Buffers in the order in which they begin, of those that begin together the longest first, and in which they end. */
  readonly byFirst: Int32Array;
  readonly byLast: Int32Array;
}

export interface Placed {
  readonly offsets: Float64Array;
  readonly bytes: number;
}

export function livesOf(lifetimes: readonly Lifetime[]): Lives {
  const first = new Int32Array(lifetimes.map((each) => each.first));
  const last = new Int32Array(lifetimes.map((each) => each.last));
  const byLast = sorted(last, last.keys());
  return {
    count: lifetimes.length,
    sizes: new Float64Array(lifetimes.map(({ bytes }) => Math.ceil(bytes / alignment) * alignment)),
    first,
    last,
    byFirst: sorted(first, byLast.toReversed()),
    byLast,
  };
}

/** Indices by ascending key, equal ones in the order given; keys are numbers of instructions, about as many as there are buffers. */
function sorted(keys: Int32Array, order: Iterable<number>): Int32Array {
  const starts = new Int32Array(keys.reduce((most, key) => Math.max(most, key), -1) + 2);
  for (const key of keys) starts[key + 1]! += 1;
  for (let key = 1; key < starts.length; key++) starts[key]! += starts[key - 1]!;
  const indices = new Int32Array(keys.length);
  for (const index of order) indices[starts[keys[index]!]!++] = index;
  return indices;
}

/** Most bytes alive at once. */
export function peakOf({ count, sizes, first, last, byFirst, byLast }: Lives): number {
  let [alive, peak, ended] = [0, 0, 0];
  for (const index of byFirst) {
    while (ended < count && last[byLast[ended]!]! < first[index]!) alive -= sizes[byLast[ended++]!]!;
    alive += sizes[index]!;
    peak = Math.max(peak, alive);
  }
  return peak;
}
