// The order of a sequence's tokens, wherever they lie in memory.

/** Tokens [first, first + length) by document, then position. */
export const inOrder = (
  positions: ArrayLike<number>,
  documents: ArrayLike<number>,
  first: number,
  length: number,
): Int32Array =>
  Int32Array.from({ length }, (_, i) => first + i).sort(
    (a, b) => documents[a]! - documents[b]! || positions[a]! - positions[b]!,
  );
