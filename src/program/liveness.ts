// Plans memory: gives every buffer an offset in one arena so that buffers alive at the same time never overlap.

/** A buffer that is first written by instruction `first` and last read by instruction `last`. */
export interface Lifetime {
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
}

export interface MemoryPlan {
  readonly offsets: readonly number[];
  /** Size of the arena. */
  readonly bytes: number;
  /** Most bytes alive at once: no plan can need less. */
  readonly peakBytes: number;
}

/** Offsets are multiples of it: a cache line. */
export const alignment = 64;
const aligned = (bytes: number) => Math.ceil(bytes / alignment) * alignment;

/**
 * Greedy by size: the largest buffers are placed first, each at the lowest offset free over its whole life
 * (Pisarchyk and Lee, "Efficient memory management for deep neural net inference", 2020).
 */
export function planMemory(lifetimes: readonly Lifetime[]): MemoryPlan {
  const order = lifetimes.map((_, index) => index).sort((a, b) => lifetimes[b]!.bytes - lifetimes[a]!.bytes || a - b);
  const offsets = lifetimes.map(() => 0);
  /** Placed so far, by offset. */
  const placed: { offset: number; end: number; first: number; last: number }[] = [];
  let bytes = 0;
  for (const index of order) {
    const { first, last } = lifetimes[index]!;
    const size = aligned(lifetimes[index]!.bytes);
    let offset = 0;
    for (const other of placed) {
      if (other.last < first || other.first > last) continue;
      if (offset + size <= other.offset) break;
      offset = Math.max(offset, other.end);
    }
    offsets[index] = offset;
    bytes = Math.max(bytes, offset + size);
    const at = placed.findIndex((other) => other.offset > offset);
    placed.splice(at < 0 ? placed.length : at, 0, { offset, end: offset + size, first, last });
  }
  return { offsets, bytes, peakBytes: peakOf(lifetimes) };
}

function peakOf(lifetimes: readonly Lifetime[]): number {
  const changes = new Map<number, number>();
  for (const { bytes, first, last } of lifetimes) {
    changes.set(first, (changes.get(first) ?? 0) + aligned(bytes));
    changes.set(last + 1, (changes.get(last + 1) ?? 0) - aligned(bytes));
  }
  let alive = 0;
  let peak = 0;
  for (const [, change] of [...changes].sort(([a], [b]) => a - b)) {
    alive += change;
    peak = Math.max(peak, alive);
  }
  return peak;
}
