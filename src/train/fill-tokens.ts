// Puts sequences into the token buffers of a microbatch.
import type { Sequence } from '../data/sequences.ts';
import type { Numbers } from '../program/program.ts';
import type { ProgramMemory } from '../runtime/memory.ts';
import type { TokenBuffers } from '../step/step.ts';

/** Fills `rows` sequences; returns what their targets count in the loss. */
export function fillMicrobatch(
  { of }: ProgramMemory,
  { ids, targets, weights, positions, documents }: TokenBuffers,
  rows: number,
  seqLen: number,
  sequence: (row: number) => Sequence,
): number {
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
    const { inputs, weights: given } = read;
    write(ids, inputs, () => 0);
    write(targets, read.targets, () => 0);
    write(weights, given, () => 1);
    write(positions, read.positions, (i) => i);
    write(documents, read.documents, () => 0);
    counted += given ? given.reduce((sum, weight) => sum + weight, 0) : seqLen;
  }
  return counted;
}
