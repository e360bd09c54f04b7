// Places buffers in the order in which they begin, each in a gap between those alive then.
import type { Lives, Placed } from './lives.ts';

/**
 * Each at the lowest gap it fits in. With `height`, only those that live longer than the median do so, and the others go to the
 * tightest gap below `height`, at its upper end: what lives long then lies together, with no holes left by what has gone.
 */
export function placeByTime(lives: Lives, height?: number): Placed {
  const { count, sizes, first, last, byFirst, byLast } = lives;
  const long = height === undefined ? -1 : medianLife(lives);
  const offsets = new Float64Array(count);
  const gaps = startGaps();
  let bytes = 0;
  let ended = 0;
  for (const index of byFirst) {
    for (; ended < count && last[byLast[ended]!]! < first[index]!; ended++) {
      const gone = byLast[ended]!;
      gaps.free(offsets[gone]!, offsets[gone]! + sizes[gone]!);
    }
    const size = sizes[index]!;
    if (size === 0) continue;
    const low = height === undefined || last[index]! - first[index]! > long;
    const offset = low ? gaps.takeLowest(size) : gaps.takeTightest(size, height);
    offsets[index] = offset;
    bytes = Math.max(bytes, offset + size);
  }
  return { offsets, bytes };
}

function medianLife({ count, first, last }: Lives): number {
  return last.map((each, index) => each - first[index]!).sort()[count >> 1] ?? 0;
}

/** Free stretches of an endless arena, in order and never touching. */
function startGaps() {
  const starts = [0];
  const ends = [Number.POSITIVE_INFINITY];
  /** Cuts [from, to) out of a gap. */
  const take = (gap: number, from: number, to: number): void => {
    const before = from > starts[gap]!;
    const after = to < ends[gap]!;
    if (before && after) {
      starts.splice(gap + 1, 0, to);
      ends.splice(gap, 0, from);
    } else if (before) ends[gap] = from;
    else if (after) starts[gap] = to;
    else {
      starts.splice(gap, 1);
      ends.splice(gap, 1);
    }
  };
  return {
    takeLowest(size: number): number {
      let gap = 0;
      while (ends[gap]! - starts[gap]! < size) gap += 1;
      const from = starts[gap]!;
      take(gap, from, from + size);
      return from;
    },
    /** In the smallest gap below `height` that holds it, at that gap's end; above all else when there is none. */
    takeTightest(size: number, height: number): number {
      let found = starts.length - 1;
      let room = Number.POSITIVE_INFINITY;
      for (let gap = 0; gap < starts.length; gap++) {
        const held = Math.min(ends[gap]!, height) - starts[gap]!;
        if (held >= size && held < room) [found, room] = [gap, held];
      }
      const from = room < Number.POSITIVE_INFINITY ? starts[found]! + room - size : starts[found]!;
      take(found, from, from + size);
      return from;
    },
    free(from: number, to: number): void {
      if (from === to) return;
      let [low, high] = [0, starts.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (starts[middle]! > from) high = middle;
        else low = middle + 1;
      }
      const joinsBefore = low > 0 && ends[low - 1] === from;
      const joinsAfter = starts[low] === to;
      if (joinsBefore && joinsAfter) {
        starts.splice(low, 1);
        ends.splice(low - 1, 1);
      } else if (joinsBefore) ends[low - 1] = to;
      else if (joinsAfter) starts[low] = from;
      else {
        starts.splice(low, 0, from);
        ends.splice(low, 0, to);
      }
    },
  };
}
