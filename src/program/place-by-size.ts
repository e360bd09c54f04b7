// Places buffers in the order of their size, the largest first, each at the lowest offset free over its whole life
// (Pisarchyk and Lee, "Efficient memory management for deep neural net inference", 2020).
import { alignment, type Lives, type Placed } from './lives.ts';

/** Most pairs of overlapping lives that it takes: about half a second. */
const mostPairs = 2 ** 22;

/** Undefined when too many lives overlap. */
export function placeBySize(lives: Lives): Placed | undefined {
  if (overlapping(lives) > mostPairs) return undefined;
  const { count, sizes } = lives;
  const order = Array.from({ length: count }, (_, index) => index).sort((a, b) => sizes[b]! - sizes[a]! || a - b);
  const offsets = new Float64Array(count);
  const placed = startIndex(lives);
  let bytes = 0;
  for (const index of order) {
    const size = sizes[index]!;
    if (size === 0) break;
    let offset = 0;
    for (const other of placed.aliveWith(index)) {
      if (offset + size <= offsets[other]!) break;
      offset = Math.max(offset, offsets[other]! + sizes[other]!);
    }
    offsets[index] = offset;
    bytes = Math.max(bytes, offset + size);
    placed.add(index, offset);
  }
  return { offsets, bytes };
}

/** Pairs of lives that overlap. */
function overlapping({ count, first, last, byFirst, byLast }: Lives): number {
  let [pairs, ended] = [0, 0];
  for (const [begun, index] of byFirst.entries()) {
    while (ended < count && last[byLast[ended]!]! < first[index]!) ended += 1;
    pairs += begun - ended;
  }
  return pairs;
}

/** Buffers found by their life: a tree over them in the order in which they begin, each node knowing the last end below it. */
function startIndex({ count, first, last, byFirst }: Lives) {
  const leaves = 2 ** Math.ceil(Math.log2(Math.max(1, count)));
  const ends = new Int32Array(2 * leaves).fill(-1);
  const places = new Int32Array(count);
  for (const [place, index] of byFirst.entries()) places[index] = place;
  // An offset and the buffer that has it in one number, exact up to 2^53: numbers alone are sorted several times as fast.
  const keys = new Float64Array(count);
  const found = new Float64Array(count);
  return {
    add(index: number, offset: number): void {
      keys[index] = (offset / alignment) * count + index;
      const end = last[index]!;
      for (let node = leaves + places[index]!; node > 0; node >>= 1) ends[node] = Math.max(ends[node]!, end);
    },
    /** Those added that are alive at any instruction of this one's life, by offset. */
    aliveWith(index: number): Float64Array {
      let many = 0;
      const visit = (node: number, place: number, width: number): void => {
        if (ends[node]! < first[index]! || first[byFirst[place]!]! > last[index]!) return;
        if (width === 1) {
          found[many++] = keys[byFirst[place]!]!;
          return;
        }
        visit(2 * node, place, width / 2);
        visit(2 * node + 1, place + width / 2, width / 2);
      };
      visit(1, 0, leaves);
      const others = found.subarray(0, many).sort();
      return others.map((key) => key % count);
    },
  };
}
