// Documents into sequences with little padding: long ones are cut, the rest is packed best fit first.
import { createNumberSet, type NumberSet } from './number-set.ts';

/** Where each document of a stream begins, and the stream's length: document d holds tokens [bounds[d], bounds[d + 1]). */
export type DocumentBounds = Float64Array;

/** Documents that are packed together: enough to find what fits, few enough to hold. */
const windowDocuments = 1 << 18;

/**
 * The sequences of a stream of documents, each as (start, length) pairs of the pieces it holds, in the stream's order; a view that the
 * next one overwrites. The last token of a document is only predicted, so a document of n tokens has n - 1 to be read:
 *
 *     tokens     a b c d e f .|g h .|i j k l .      seqLen 4; . ends a document
 *     pieces     a b c d, e f | g h | i j k l
 *     sequences  [a b c d] [e f g h] [i j k l]
 *
 * A document longer than a sequence is cut into full sequences and a rest. What is shorter goes, the longest first, where it leaves
 * least room (best fit decreasing; Ding et al., "Fewer truncations improve language modeling", 2024). Sequences come in the order
 * in which their first pieces stand in the stream, so that neighbours are mostly of one document or file. It depends on the documents and
 * `seqLen` alone.
 */
export function* packDocuments(
  bounds: DocumentBounds,
  seqLen: number,
  window = windowDocuments,
): Generator<Float64Array> {
  const packer = createPacker(seqLen, Math.min(window, Math.max(1, bounds.length - 1)));
  for (let first = 0; first < bounds.length - 1; first += window)
    yield* packer(bounds.subarray(first, Math.min(bounds.length, first + window + 1)));
}

/** Those of at least two tokens: in others is nothing to predict. */
export function readableDocuments(bounds: DocumentBounds): number {
  let documents = 0;
  for (let d = 0; d + 1 < bounds.length; d += 1) if (bounds[d + 1]! - bounds[d]! > 1) documents += 1;
  return documents;
}

const none = -1;

/** Packs up to `most` documents at a time, in memory that is allocated once. */
function createPacker(seqLen: number, most: number): (bounds: DocumentBounds) => Generator<Float64Array> {
  // Of a document: how long its rest is, the bin that it is in, and the next document in there.
  const rests = new Int32Array(most);
  const binOf = new Int32Array(most);
  const nextInBin = new Int32Array(most);
  const bins = createBins(seqLen, most);
  const longestFirst = createSorter(seqLen, most);
  const pieces = new Float64Array(2 * Math.min(seqLen, most));

  return function* packWindow(bounds) {
    const documents = bounds.length - 1;
    bins.clear();
    for (let d = 0; d < documents; d += 1) rests[d] = Math.max(0, bounds[d + 1]! - bounds[d]! - 1) % seqLen;
    const order = longestFirst(rests.subarray(0, documents));
    for (const d of order) binOf[d] = bins.take(rests[d]!);
    // From the last to the first, so that the first is at the head.
    for (let d = documents - 1; d >= 0; d -= 1) if (rests[d]! > 0) nextInBin[d] = bins.prepend(binOf[d]!, d);
    for (let d = 0; d < documents; d += 1) {
      const rest = rests[d]!;
      const end = bounds[d + 1]! - 1 - rest;
      for (let start = bounds[d]!; start < end; start += seqLen) {
        pieces[0] = start;
        pieces[1] = seqLen;
        yield pieces.subarray(0, 2);
      }
      if (rest === 0 || bins.head(binOf[d]!) !== d) continue;
      let count = 0;
      for (let each = d; each !== none; each = nextInBin[each]!) {
        pieces[count] = bounds[each + 1]! - 1 - rests[each]!;
        pieces[count + 1] = rests[each]!;
        count += 2;
      }
      yield pieces.subarray(0, count);
    }
  };
}

interface Bins {
  clear(): void;
  /** The bin in which so many tokens leave least room; a new one where they fit in none. */
  take(length: number): number;
  /** Puts a document before those in the bin. Returns the one that was first, or none. */
  prepend(bin: number, document: number): number;
  /** The first document in the bin. */
  head(bin: number): number;
}

function createBins(seqLen: number, most: number): Bins {
  const room = new Int32Array(most);
  const heads = new Int32Array(most);
  // Bins with the same room are a list: its first by room, and the next of each.
  const firstWith = new Int32Array(seqLen + 1);
  const nextWith = new Int32Array(most);
  let rooms: NumberSet;
  let count = 0;
  const put = (bin: number, left: number): void => {
    room[bin] = left;
    if (left === 0) return;
    if (firstWith[left] === none) rooms.add(left);
    nextWith[bin] = firstWith[left]!;
    firstWith[left] = bin;
  };
  return {
    clear() {
      rooms = createNumberSet(seqLen + 1);
      firstWith.fill(none);
      heads.fill(none);
      count = 0;
    },
    take(length) {
      const found = rooms.atLeast(length);
      let bin = count;
      if (found === none) count += 1;
      else {
        bin = firstWith[found]!;
        firstWith[found] = nextWith[bin]!;
        if (firstWith[found] === none) rooms.remove(found);
      }
      put(bin, (found === none ? seqLen : found) - length);
      return bin;
    },
    prepend(bin, document) {
      const before = heads[bin]!;
      heads[bin] = document;
      return before;
    },
    head: (bin) => heads[bin]!,
  };
}

/** Sorts by counting: which documents have a rest, the longest first, those of one length in order. */
function createSorter(seqLen: number, most: number): (rests: Int32Array) => Int32Array {
  const places = new Int32Array(seqLen + 1);
  const order = new Int32Array(most);
  return (rests) => {
    places.fill(0);
    for (const rest of rests) places[rest]! += 1;
    let before = 0;
    for (let length = seqLen; length > 0; length -= 1) {
      const count = places[length]!;
      places[length] = before;
      before += count;
    }
    for (let d = 0; d < rests.length; d += 1) {
      const rest = rests[d]!;
      if (rest === 0) continue;
      order[places[rest]!] = d;
      places[rest]! += 1;
    }
    return order.subarray(0, before);
  };
}
