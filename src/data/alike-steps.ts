// Which sequences each step trains on when those of a step are to cost alike, so that no rank waits long for another's. The endless
// order is cut into windows; the sequences of a window are sorted by cost, cut into steps, and the steps shuffled:
//
//     costs, in order    5 1 | 3 2 | 6 1 | 2 4        a window of four steps of two sequences
//     in alike steps     3 4 | 1 1 | 5 6 | 2 2
//
// What of it a step holds depends on the data, the seed and the sequences of a step alone: on no layout, and on no step before it.
// Sequences stay as they were packed: full ones leave no room to exchange documents, and a document as long as a sequence costs what it
// costs. So costly ones wait for one another, as the longest documents do in "WLB-LLM" (Wang et al., 2025).
import { epochSequences, type SourceShare, stepsForEpochs } from './epochs.ts';
import { permutation } from './permutation.ts';

/** Sequences of a window: many enough to find alike ones, few enough that none is trained on much later than it was to be. */
const windowSequences = 64;

export interface AlikeSteps {
  /** Sequences of a step. */
  readonly perStep: number;
  /** See `Sequences.sources`. */
  readonly sources: readonly SourceShare[];
  /** Of the sequence at a position of the endless order, in any unit. */
  readonly costAt: (position: number) => number;
}

/**
 * The position in the endless order of the sequence at each place, `perStep` places a step, from step 0 on. Windows end where epochs do:
 * what is seen until the end of one is what the endless order holds until then.
 */
export function alikeSteps({ perStep, sources, costAt }: AlikeSteps): (place: number) => number {
  let window: Window = [0, 0];
  let order: readonly number[] = [];
  return (place) => {
    const step = Math.floor(place / perStep);
    if (step < window[0] || step >= window[1]) {
      window = windowAt(step, perStep, sources);
      order = orderOf(window, perStep, costAt);
    }
    return order[place - window[0] * perStep]!;
  };
}

/** Steps [start, end). */
type Window = readonly [start: number, end: number];

function windowAt(step: number, perStep: number, sources: readonly SourceShare[]): Window {
  const steps = Math.max(1, Math.floor(windowSequences / perStep));
  const epoch = Math.floor((step * perStep) / epochSequences(sources));
  const begun = epoch === 0 ? 0 : stepsForEpochs(sources, epoch, perStep);
  const start = step - ((step - begun) % steps);
  return [start, Math.min(start + steps, stepsForEpochs(sources, epoch + 1, perStep))];
}

/** By place: the positions of a window, those of a step in order. */
function orderOf([start, end]: Window, perStep: number, costAt: AlikeSteps['costAt']): readonly number[] {
  const first = start * perStep;
  const positions = Array.from({ length: end * perStep - first }, (_, at) => first + at);
  if (end - start === 1) return positions;
  const costs = positions.map(costAt);
  const byCost = positions.toSorted((a, b) => costs[a - first]! - costs[b - first]! || a - b);
  // Which sequences these are the seed has decided.
  const shuffled = permutation(end - start, 0, start);
  return Array.from({ length: end - start }, (_, step) => {
    const from = shuffled(step) * perStep;
    return byCost.slice(from, from + perStep).sort((a, b) => a - b);
  }).flat();
}
