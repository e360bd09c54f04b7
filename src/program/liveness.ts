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
  const placed = createIndex();
  let bytes = 0;
  for (const index of order) {
    const { first, last } = lifetimes[index]!;
    const size = aligned(lifetimes[index]!.bytes);
    let offset = 0;
    for (const other of placed.near(first, last)) {
      if (other.last < first || other.first > last) continue;
      if (offset + size <= other.offset) break;
      offset = Math.max(offset, other.end);
    }
    offsets[index] = offset;
    bytes = Math.max(bytes, offset + size);
    placed.add({ offset, end: offset + size, first, last });
  }
  return { offsets, bytes, peakBytes: peakOf(lifetimes) };
}

interface Placed {
  readonly offset: number;
  readonly end: number;
  readonly first: number;
  readonly last: number;
}

/**
 * Buffers placed so far, found by their life: each is kept with the shortest stretch of instructions [i 2^k, (i + 1) 2^k) that holds
 * it, so that a short life is compared with few others, however long the program is.
 */
function createIndex() {
  const byOffset: Placed[] = [];
  /** By k, then i. */
  const levels: Map<number, Placed[]>[] = [];
  return {
    add(buffer: Placed): void {
      byOffset.splice(after(byOffset, buffer.offset), 0, buffer);
      const level = 32 - Math.clz32(buffer.first ^ buffer.last);
      while (levels.length <= level) levels.push(new Map());
      const at = Math.floor(buffer.first / 2 ** level);
      const found = levels[level]!.get(at);
      if (found) found.push(buffer);
      else levels[level]!.set(at, [buffer]);
    },
    /** By offset, all that are alive at any instruction of [first, last], and maybe others. */
    near(first: number, last: number): readonly Placed[] {
      const most = byOffset.length / 8;
      const found: Placed[] = [];
      for (const [level, stretches] of levels.entries())
        for (let at = Math.floor(first / 2 ** level); at <= Math.floor(last / 2 ** level); at++) {
          const stretch = stretches.get(at);
          if (stretch) found.push(...stretch.filter((each) => each.first <= last && each.last >= first));
          // Sorting would cost more than a walk over all.
          if (found.length > most) return byOffset;
        }
      return found.sort((a, b) => a.offset - b.offset);
    },
  };
}

/** Where the first buffer above an offset is. */
function after(byOffset: readonly Placed[], offset: number): number {
  let [low, high] = [0, byOffset.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (byOffset[middle]!.offset > offset) high = middle;
    else low = middle + 1;
  }
  return low;
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
