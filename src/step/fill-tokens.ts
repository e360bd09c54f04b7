// Puts sequences into a program's token buffers.
import type { Coords } from '../mesh/mesh.ts';
import type { Numbers } from '../program/program.ts';
import type { StepSettings } from './settings.ts';
import type { TokenBuffers, TrainingStep } from './step.ts';

/** What a row of the batch is filled with, a number each position; undefined: one document in order, of which every target counts. */
export interface TokenRow {
  readonly inputs: Int32Array;
  readonly targets: Int32Array;
  readonly positions?: Int32Array;
  readonly documents?: Int32Array;
  readonly weights?: Float32Array;
}

/** The memory of a buffer. */
type MemoryOf = (buffer: number) => Numbers;

interface Dealing {
  readonly settings: StepSettings;
  /** Where this rank is. */
  readonly coords: Pick<Coords, 'dp'>;
  /** From 1. */
  readonly step: number;
  /** By its place in the run. */
  readonly sequence: (index: number) => TokenRow;
}

/** Fills the microbatches of a step: sequences are dealt to data-parallel ranks, then microbatches, in order. */
export function fillStep(
  of: MemoryOf,
  { tokens, counted }: Pick<TrainingStep, 'tokens' | 'counted'>,
  { settings, coords, step, sequence }: Dealing,
): void {
  const { layout, microBatch, microbatches, seqLen } = settings;
  const first = ((step - 1) * layout.dp + coords.dp) * microBatch * microbatches;
  const counts = tokens.map((buffers, m) =>
    fillMicrobatch(of, buffers, seqLen, (row) => sequence(first + m * microBatch + row)),
  );
  if (counted !== undefined) of(counted)[0] = counts.reduce((sum, count) => sum + count, 0);
}

/** Fills every row; returns what the targets count in the loss. */
export function fillMicrobatch(
  of: MemoryOf,
  buffers: TokenBuffers,
  seqLen: number,
  sequence: (row: number) => TokenRow,
): number {
  fillPlaces(of, buffers, seqLen);
  if (buffers.weights !== undefined) of(buffers.weights).fill(1);
  const rows = of(buffers.positions).length / seqLen;
  let counted = 0;
  for (let row = 0; row < rows; row++) {
    const { inputs, targets, weights, positions, documents } = sequence(row);
    const write = (buffer: number | undefined, numbers: ArrayLike<number> | undefined) => {
      if (buffer === undefined || !numbers) return;
      const into = of(buffer).subarray(row * seqLen, (row + 1) * seqLen);
      into.set(numbers);
    };
    write(buffers.ids, inputs);
    write(buffers.targets, targets);
    write(buffers.weights, weights);
    write(buffers.positions, positions);
    write(buffers.documents, documents);
    counted += weights ? weights.reduce((sum, weight) => sum + weight, 0) : seqLen;
  }
  return counted;
}

/** Every sequence is one document, its tokens in order. */
export function fillPlaces(of: MemoryOf, { positions, documents }: TokenBuffers, seqLen: number): void {
  const numbers = of(positions);
  for (let i = 0; i < numbers.length; i++) numbers[i] = i % seqLen;
  of(documents).fill(0);
}
