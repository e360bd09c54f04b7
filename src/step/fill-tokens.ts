// Puts sequences into a program's token buffers.
import type { Coords } from '../mesh/mesh.ts';
import { countTokens, eachRange } from '../mesh/sequence.ts';
import type { Numbers } from '../program/program.ts';
import { stepOrder, tokenShares } from './balance.ts';
import type { StepSettings } from './settings.ts';
import type { PlaceBuffers, TokenBuffers, TrainingStep } from './step.ts';

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

/** Fills the microbatches of a step: sequences are dealt to data-parallel ranks, then microbatches, in order or by their cost. */
export function fillStep(
  of: MemoryOf,
  { tokens, counted }: Pick<TrainingStep, 'tokens' | 'counted'>,
  { settings, coords, step, sequence }: Dealing,
): void {
  const { layout, microBatch, microbatches } = settings;
  const perRank = microBatch * microbatches;
  const first = (step - 1) * layout.dp * perRank;
  const order = stepOrder(settings, (index) => sequence(first + index).documents!);
  const own = order.slice(coords.dp * perRank);
  const counts = tokens.map((buffers, m) =>
    fillMicrobatch(of, buffers, settings, (row) => sequence(first + own[m * microBatch + row]!)),
  );
  if (counted !== undefined) of(counted)[0] = counts.reduce((sum, count) => sum + count, 0);
}

/** Fills every row with this rank's tokens of a sequence; returns what their targets count in the loss. */
export function fillMicrobatch(
  of: MemoryOf,
  buffers: TokenBuffers,
  settings: StepSettings,
  sequence: (row: number) => TokenRow,
): number {
  fillPlaces(of, buffers, settings);
  if (buffers.weights !== undefined) of(buffers.weights).fill(1);
  const each = settings.seqLen / settings.layout.cp;
  const rows = of(buffers.positions).length / each;
  let counted = 0;
  for (let row = 0; row < rows; row++) {
    const { inputs, targets, weights, positions, documents } = sequence(row);
    const shares = tokenShares(settings, documents);
    const rangesOf = (members: readonly number[]) => members.flatMap((member) => shares[member]!);
    const write = (buffer: number | undefined, numbers: Numbers | undefined, members = buffers.members) => {
      if (buffer === undefined || !numbers) return;
      const into = of(buffer);
      const start = row * each * members.length;
      eachRange(rangesOf(members), (range, at) => into.set(numbers.subarray(...range), start + at));
    };
    write(buffers.ids, inputs);
    write(buffers.targets, targets);
    write(buffers.weights, weights);
    for (const place of placesOf(buffers)) {
      write(place.positions, positions, place.members);
      write(place.documents, documents, place.members);
    }
    eachRange(rangesOf(buffers.members), (range) => {
      counted += weights ? weights.subarray(...range).reduce((sum, weight) => sum + weight, 0) : range[1] - range[0];
    });
  }
  return counted;
}

/** Every sequence is one document, its tokens in order. */
export function fillPlaces(of: MemoryOf, buffers: TokenBuffers, settings: StepSettings): void {
  const shares = tokenShares(settings, undefined);
  for (const { members, positions, documents } of placesOf(buffers)) {
    const numbers = of(positions);
    const ranges = members.flatMap((member) => shares[member]!);
    for (let row = 0; row < numbers.length; row += countTokens(ranges))
      eachRange(ranges, ([start, end], at) => {
        for (let i = start; i < end; i++) numbers[row + at + i - start] = i;
      });
    of(documents).fill(0);
  }
}

/** Its own tokens, and those of keys. */
const placesOf = (buffers: TokenBuffers): readonly PlaceBuffers[] => [buffers, ...Object.values(buffers.keys)];
