// A part of the sequences that is never trained on: where it lies, and how the two parts are numbered.

/** Places over which the held-out sequences are spread. */
const mostRuns = 64;

/** Sequences 0..count-1 of a stream in two parts. */
export interface Split {
  readonly training: number;
  readonly heldOut: number;
  /** The sequence that is number `index` of the training part. */
  trainingAt(index: number): number;
  /** The sequence that is number `index` of the held-out part. */
  heldOutAt(index: number): number;
}

/**
 * Holds out the end of each of up to 64 equal stretches of the stream:
 *
 *     training . . . . .       . . . . .       . . . . .
 *     held out           x x             x x             x x
 *
 * Spread over the stream they are like the rest, which the end of the last file alone need not be. In runs, as one document
 * mostly goes on from a sequence to the next: only the ends of a run touch text that is trained on. Neighbours share one
 * token, the last target of the first and the first input of the second, so no place that is predicted in one part is
 * predicted in the other. The split depends on the two numbers alone and not on the seed: runs with other seeds are compared
 * on the same sequences.
 * @param heldOut 0 to count - 1
 */
export function split(count: number, heldOut: number): Split {
  const training = count - heldOut;
  // With no more runs than training sequences, a stretch always holds its run.
  const stretches = Math.min(mostRuns, heldOut, training);
  const runs = Array.from({ length: stretches }, (_, k) => {
    const end = Math.floor(((k + 1) * count) / stretches);
    const length = Math.floor(((k + 1) * heldOut) / stretches) - Math.floor((k * heldOut) / stretches);
    return { start: end - length, length };
  });
  return {
    training,
    heldOut,
    trainingAt(index) {
      let at = index;
      for (const { start, length } of runs) {
        if (at < start) break;
        at += length;
      }
      return at;
    },
    heldOutAt(index) {
      let left = index;
      for (const { start, length } of runs) {
        if (left < length) return start + left;
        left -= length;
      }
      throw new RangeError(`held-out sequence ${index} of ${heldOut}`);
    },
  };
}
