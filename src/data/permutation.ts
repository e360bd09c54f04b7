// A seeded random order of 0..size-1 that needs no memory: any position can be asked for by itself.

const ROUNDS = 6;
/** Below 64 values a Feistel network has too few different orders. */
const MIN_HALF_BITS = 3;

/** Mixes 32 bits so that each bit of the input changes about half of the output (the finaliser of MurmurHash3). */
function mix(x: number): number {
  let h = x | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** A number as 32 bits that depend on all of it: seeds and epochs may be past 2^32. */
const fold = (x: number): number => mix((x >>> 0) ^ mix(Math.floor(x / 2 ** 32)));

/**
 * A permutation of 0..size-1 that depends on `size`, `seed` and `stream` (here the epoch) alone.
 *
 * A Feistel network permutes the smallest square power of two that holds `size`; a result outside is sent through again
 * until it falls inside (cycle walking), four times on average at most for 16 values and more. Black and Rogaway, "Ciphers
 * with arbitrary finite domains", 2002.
 * @param size 1 to 2^50
 */
export function permutation(size: number, seed: number, stream: number): (index: number) => number {
  let halfBits = MIN_HALF_BITS;
  while (4 ** halfBits < size) halfBits += 1;
  // Products and quotients in place of shifts: an index can have more than 32 bits, a half has at most 25.
  const half = 2 ** halfBits;
  const keys = Array.from({ length: ROUNDS }, (_, round) => mix(fold(seed) ^ mix(fold(stream) ^ mix(round + 1))));
  return (index) => {
    let value = index;
    do {
      let left = Math.floor(value / half);
      let right = value % half;
      for (const key of keys) {
        // The high bits of the product are the well mixed ones.
        const scrambled = mix(right ^ key) >>> (32 - halfBits);
        [left, right] = [right, left ^ scrambled];
      }
      value = left * half + right;
    } while (value >= size);
    return value;
  };
}
