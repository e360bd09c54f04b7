// A set of whole numbers below a bound that finds the next member at or above a number: a tree of 32-way bit sets.

export interface NumberSet {
  add(value: number): void;
  remove(value: number): void;
  /** The smallest member of at least `value`, or -1. */
  atLeast(value: number): number;
}

/** @param size members are below it */
export function createNumberSet(size: number): NumberSet {
  // Bit b of word w says at the lowest level that 32 w + b is in the set, and above it that word 32 w + b of the level below is not 0.
  const levels: Uint32Array[] = [];
  for (let words = size; levels.length === 0 || words > 1; ) {
    words = Math.ceil(words / 32);
    levels.push(new Uint32Array(words));
  }
  return {
    add(value) {
      let at = value;
      for (const level of levels) {
        level[at >>> 5]! |= 1 << (at & 31);
        at >>>= 5;
      }
    },
    remove(value) {
      let at = value;
      for (const level of levels) {
        level[at >>> 5]! &= ~(1 << (at & 31));
        if (level[at >>> 5] !== 0) return;
        at >>>= 5;
      }
    },
    atLeast(value) {
      let at = value;
      for (let depth = 0; depth < levels.length; depth += 1) {
        const word = at >>> 5;
        if (word >= levels[depth]!.length) return -1;
        const above = levels[depth]![word]! & (-1 << (at & 31));
        if (above !== 0) {
          at = word * 32 + lowestBit(above);
          for (let below = depth - 1; below >= 0; below -= 1) at = at * 32 + lowestBit(levels[below]![at]!);
          return at;
        }
        at = word + 1;
      }
      return -1;
    },
  };
}

const lowestBit = (bits: number): number => 31 - Math.clz32(bits & -bits);
