// Puts sequences into the token buffers of a microbatch.
import type { Sequence } from '../data/sequences.ts';
import type { Numbers } from '../program/program.ts';
import type { ProgramMemory } from '../runtime/memory.ts';
import type { TokenBuffers } from '../step/step.ts';

/** Log-probabilities of the two completions of a pair by the reference, the chosen one first. */
export type ReferenceOf = (pair: number) => readonly [number, number];

/**
 * Fills `rows` sequences; returns what their targets count in the loss, or how many pairs they hold. `referenceOf`: for sequences of
 * pairs that are trained on or measured.
 */
export function fillMicrobatch(
  { of }: ProgramMemory,
  buffers: TokenBuffers,
  rows: number,
  seqLen: number,
  sequence: (row: number) => Sequence,
  referenceOf?: ReferenceOf,
): number {
  const { ids, targets, weights, positions, documents, reference, pairWeights } = buffers;
  let counted = 0;
  for (let row = 0; row < rows; row++) {
    const read = sequence(row);
    const write = (
      buffer: number | undefined,
      numbers: ArrayLike<number> | undefined,
      otherwise: (i: number) => number,
    ) => {
      if (buffer === undefined) return;
      const into = of(buffer).subarray(row * seqLen, (row + 1) * seqLen) as Numbers;
      if (numbers) into.set(numbers);
      else for (let i = 0; i < seqLen; i++) into[i] = otherwise(i);
    };
    const { inputs, weights: given, pairs } = read;
    write(ids, inputs, () => 0);
    write(targets, read.targets, () => 0);
    write(weights, given, () => 1);
    write(positions, read.positions, (i) => i);
    write(documents, read.documents, () => 0);
    if (pairs && reference !== undefined && pairWeights !== undefined)
      fillPairs(of(reference), of(pairWeights), { row, rows, pairs, referenceOf: referenceOf! });
    counted += pairs ? pairs.length : given ? given.reduce((sum, weight) => sum + weight, 0) : seqLen;
  }
  return counted;
}

/** What the sequences have no pairs for counts nothing. */
function fillPairs(
  reference: Numbers,
  weights: Numbers,
  row: {
    readonly row: number;
    readonly rows: number;
    readonly pairs: ArrayLike<number>;
    readonly referenceOf: ReferenceOf;
  },
): void {
  const room = weights.length / row.rows;
  for (let k = 0; k < room; k++) {
    const at = row.row * room + k;
    const there = k < row.pairs.length;
    reference.set(there ? row.referenceOf(row.pairs[k]!) : [0, 0], 2 * at);
    weights[at] = there ? 1 : 0;
  }
}
