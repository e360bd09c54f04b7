// Places buffers in the order of their size, the largest first, each at the lowest offset free over its whole life
// (Pisarchyk and Lee, "Efficient memory management for deep neural net inference", 2020).
import type { Lives, Placed } from './lives.ts';

/** Most pairs of overlapping lives that it takes: some hundredths of a second. */
const mostPairs = 2 ** 22;

/** Undefined when too many lives overlap. */
export function placeBySize(lives: Lives): Placed | undefined {
  if (overlapping(lives) > mostPairs) return undefined;
  const { count, sizes } = lives;
  const originals = originalsOf(lives);
  const ofSize = new Map<number, number[]>();
  for (const [index, size] of sizes.entries()) {
    if (size === 0 || originals[index] !== index) continue;
    const alike = ofSize.get(size);
    if (alike) alike.push(index);
    else ofSize.set(size, [index]);
  }
  const offsets = new Float64Array(count);
  const place = startPlacing(lives, offsets);
  let bytes = 0;
  for (const [size, indices] of [...ofSize].sort(([a], [b]) => b - a))
    for (const index of indices) {
      place(index);
      bytes = Math.max(bytes, offsets[index]! + size);
    }
  return { offsets: offsets.map((_, index) => offsets[originals[index]!]!), bytes };
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

/**
 * The buffer that each lies like, often itself. What ends before anything else begins is placed for itself; where such a stretch is
 * the one before it over again, as microbatches that share nothing are, it lies where that lay.
 */
function originalsOf(lives: Lives): Int32Array {
  const { sizes, first, last } = lives;
  const originals = new Int32Array(lives.count);
  let before: Int32Array = new Int32Array();
  for (const stretch of stretchesOf(lives)) {
    const further = stretch[0]! - before[0]!;
    const later = first[stretch[0]!]! - first[before[0]!]!;
    const isLike = (index: number, model: number) =>
      index - model === further &&
      sizes[index] === sizes[model] &&
      first[index]! - first[model]! === later &&
      last[index]! - last[model]! === later;
    const repeats = stretch.length === before.length && stretch.every((index, at) => isLike(index, before[at]!));
    for (const [at, index] of stretch.entries()) originals[index] = repeats ? originals[before[at]!]! : index;
    before = stretch;
  }
  return originals;
}

/** Buffers in the order in which they begin, cut wherever all that began before have ended. */
function stretchesOf({ first, last, byFirst }: Lives): Int32Array[] {
  const cuts: number[] = [];
  let end = -1;
  for (const [at, index] of byFirst.entries()) {
    if (first[index]! > end) cuts.push(at);
    end = Math.max(end, last[index]!);
  }
  return cuts.map((from, which) => byFirst.subarray(from, cuts[which + 1]));
}

/** Buffers that begin one after another: most lives are over before, or begin after, all of most groups. */
interface Group {
  readonly first: number;
  readonly last: number;
  /** By ascending offset. */
  readonly placed: number[];
  /** Of `placed`, so many are not in the way of what is being placed. */
  passed: number;
}

/** Gives buffers the lowest offsets that are free, one after another. */
function startPlacing({ count, sizes, first, last, byFirst }: Lives, offsets: Float64Array) {
  const length = Math.ceil(Math.sqrt(count));
  const groups: Group[] = [];
  const groupOf: Group[] = [];
  for (let from = 0; from < count; from += length) {
    const members = byFirst.subarray(from, from + length);
    const end = members.reduce((latest, index) => Math.max(latest, last[index]!), 0);
    const group = { first: first[members[0]!]!, last: end, placed: [], passed: 0 };
    groups.push(group);
    for (const index of members) groupOf[index] = group;
  }
  /** The lowest offset from this one on where the group is not in the way. */
  const raise = (index: number, from: number, group: Group): number => {
    const { placed } = group;
    let offset = from;
    for (; group.passed < placed.length; group.passed++) {
      const other = placed[group.passed]!;
      if (offsets[other]! >= offset + sizes[index]!) break;
      const together = first[other]! <= last[index]! && first[index]! <= last[other]!;
      if (together) offset = Math.max(offset, offsets[other]! + sizes[other]!);
    }
    return offset;
  };
  return (index: number): void => {
    const near = groups.filter((group) => group.first <= last[index]! && first[index]! <= group.last);
    for (const group of near) group.passed = 0;
    let offset = 0;
    for (let before = -1; before < offset; ) {
      before = offset;
      for (const group of near) offset = raise(index, offset, group);
    }
    offsets[index] = offset;
    const { placed } = groupOf[index]!;
    const behind = placed.findIndex((other) => offsets[other]! > offset);
    placed.splice(behind < 0 ? placed.length : behind, 0, index);
  };
}
