// Documents of mixed lengths for tests and measurements: the same for the same seed, from one word to far longer than a sequence.

export interface DocumentLengths {
  readonly count: number;
  readonly seed?: number;
  /** Half of the documents are longer. */
  readonly median?: number;
  /** Standard deviation of the logarithm; web text has about 1, 0 makes all alike. */
  readonly spread?: number;
}

/** Log-normal lengths of at least 1. */
export function documentLengths({ count, seed = 0, median = 200, spread = 1 }: DocumentLengths): number[] {
  const random = randomNumbers(seed);
  return Array.from({ length: count }, () => {
    // Box and Muller's transform of two uniform numbers.
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    return Math.max(1, Math.round(median * Math.exp(spread * normal)));
  });
}

/** A text of so many ASCII characters, unlike those of other seeds: words, spaces and line ends. */
export function documentText(length: number, seed: number): string {
  const random = randomNumbers(seed);
  const letters = 'etaoinshrdlucmfwypvbg    \n';
  return Array.from({ length }, () => letters[Math.floor(random() * letters.length)]!).join('');
}

/** Such texts as the lines of a .jsonl file. */
export const documentLines = (lengths: readonly number[], seed = 0): string =>
  lengths.map((length, d) => `${JSON.stringify({ text: documentText(length, seed + d) })}\n`).join('');

/** Numbers in [0, 1): Steele and Vigna's splitmix32. */
function randomNumbers(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}
