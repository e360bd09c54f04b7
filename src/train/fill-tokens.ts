// Puts this rank's tokens of sequences into the token buffers of a microbatch.
import type { Sequence } from '../data/sequences.ts';
import { countTokens, eachRange, type TokenRange } from '../mesh/sequence.ts';
import type { Numbers } from '../program/program.ts';
import type { ProgramMemory } from '../runtime/memory.ts';
import type { PlaceBuffers, TokenBuffers } from '../step/step.ts';

/** Fills `rows` sequences; returns what this rank's targets count in the loss. */
export function fillMicrobatch(
  { of }: ProgramMemory,
  buffers: TokenBuffers,
  rows: number,
  sequence: (row: number) => Sequence,
): number {
  const { ids, targets, weights, keys, tokens } = buffers;
  let counted = 0;
  for (let row = 0; row < rows; row++) {
    const read = sequence(row);
    const put = (
      buffer: number | undefined,
      ranges: readonly TokenRange[],
      numbers: Numbers | undefined,
      otherwise: (token: number) => number,
    ) => {
      if (buffer !== undefined) putTokens(of(buffer), row, ranges, numbers, otherwise);
    };
    const putPlaces = ({ tokens: ranges, positions, documents }: PlaceBuffers) => {
      put(positions, ranges, read.positions, (token) => token);
      put(documents, ranges, read.documents, () => 0);
    };
    put(ids, tokens, read.inputs, () => 0);
    put(targets, tokens, read.targets, () => 0);
    put(weights, tokens, read.weights, () => 1);
    [buffers, ...Object.values(keys)].forEach(putPlaces);
    eachRange(tokens, ([start, end]) => {
      counted += read.weights
        ? read.weights.subarray(start, end).reduce((sum, weight) => sum + weight, 0)
        : end - start;
    });
  }
  return counted;
}

/** Tokens of a sequence into a row of a buffer. */
function putTokens(
  buffer: Numbers,
  row: number,
  ranges: readonly TokenRange[],
  numbers: Numbers | undefined,
  otherwise: (token: number) => number,
): void {
  const width = countTokens(ranges);
  eachRange(ranges, ([start, end], at) => {
    const into = buffer.subarray(row * width + at, row * width + at + end - start) as Numbers;
    if (numbers) into.set(numbers.subarray(start, end));
    else for (let i = 0; i < into.length; i++) into[i] = otherwise(start + i);
  });
}
