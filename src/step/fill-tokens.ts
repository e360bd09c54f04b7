// Puts sequences into a program's token buffers.
import { type Coords, replicaOf, replicasOf } from '../mesh/mesh.ts';
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
  /** Where the loss is of pairs of documents: which of all pairs these are. */
  readonly pairs?: ArrayLike<number>;
}

/** Log-probabilities of the two completions of a pair by the reference, the chosen one first. */
export type ReferenceOf = (pair: number) => readonly [number, number];

/** The memory of a buffer. */
type MemoryOf = (buffer: number) => Numbers;

interface Dealing {
  readonly settings: StepSettings;
  /** Where this rank is. */
  readonly coords: Pick<Coords, 'ep' | 'dp'>;
  /** From 1. */
  readonly step: number;
  /** By its place in the run. */
  readonly sequence: (index: number) => TokenRow;
  /** Of sequences of pairs. */
  readonly referenceOf?: ReferenceOf | undefined;
}

/** Fills the microbatches of a step: sequences are dealt to replicas, then microbatches, in order or by their cost. */
export function fillStep(
  of: MemoryOf,
  { tokens, counted }: Pick<TrainingStep, 'tokens' | 'counted'>,
  { settings, coords, step, sequence, referenceOf }: Dealing,
): void {
  const { layout, microBatch, microbatches } = settings;
  const perRank = microBatch * microbatches;
  const first = (step - 1) * replicasOf(layout) * perRank;
  const order = stepOrder(settings, (index) => sequence(first + index).documents!);
  const own = order.slice(replicaOf(layout, coords) * perRank);
  const counts = tokens.map((buffers, m) =>
    fillMicrobatch(of, buffers, settings, (row) => sequence(first + own[m * microBatch + row]!), referenceOf),
  );
  if (counted !== undefined) of(counted)[0] = counts.reduce((sum, count) => sum + count, 0);
}

/**
 * Fills every row with this rank's tokens of a sequence; returns what their targets count in the loss, or how many pairs the sequences
 * hold, which ranks of cp have alike. `referenceOf`: for sequences of pairs that are trained on or measured.
 */
export function fillMicrobatch(
  of: MemoryOf,
  buffers: TokenBuffers,
  settings: StepSettings,
  sequence: (row: number) => TokenRow,
  referenceOf?: ReferenceOf,
): number {
  fillPlaces(of, buffers, settings);
  if (buffers.weights !== undefined) of(buffers.weights).fill(1);
  const each = settings.seqLen / settings.layout.cp;
  const rows = of(buffers.positions).length / each;
  let counted = 0;
  for (let row = 0; row < rows; row++) {
    const { inputs, targets, weights, positions, documents, pairs } = sequence(row);
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
    if (pairs) {
      if (referenceOf) fillPairs(of, buffers, { row, rows, pairs, referenceOf });
      counted += pairs.length;
      continue;
    }
    eachRange(rangesOf(buffers.members), (range) => {
      counted += weights ? weights.subarray(...range).reduce((sum, weight) => sum + weight, 0) : range[1] - range[0];
    });
  }
  return counted;
}

interface RowOfPairs {
  readonly row: number;
  readonly rows: number;
  readonly pairs: ArrayLike<number>;
  readonly referenceOf: ReferenceOf;
}

/** What a sequence has no pairs for counts nothing. */
function fillPairs(
  of: MemoryOf,
  { reference, pairWeights }: TokenBuffers,
  { row, rows, pairs, referenceOf }: RowOfPairs,
): void {
  if (reference === undefined || pairWeights === undefined) return;
  const weights = of(pairWeights);
  const room = weights.length / rows;
  for (let k = 0; k < room; k++) {
    const at = row * room + k;
    const there = k < pairs.length;
    of(reference).set(there ? referenceOf(pairs[k]!) : [0, 0], 2 * at);
    weights[at] = there ? 1 : 0;
  }
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
