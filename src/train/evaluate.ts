// The loss on held-out sequences, measured on the way: a forward pass over the weights that are being trained.
import type { Sequence, Sequences } from '../data/sequences.ts';
import { coordsOf, groupOf, replicaOf, replicasOf } from '../mesh/mesh.ts';
import { trafficBytes } from '../mesh/traffic.ts';
import { addBytes, type BytesSent } from '../plan/predict-step.ts';
import type { Executor } from '../runtime/executor.ts';
import type { Transport } from '../runtime/transport/transport.ts';
import { fillMicrobatch, type ReferenceOf } from '../step/fill-tokens.ts';
import { buildLossStep, type LossStep } from '../step/forward-step.ts';
import type { StepSettings } from '../step/settings.ts';
import { lossNumbers } from '../step/token-buffers.ts';

/** The held-out sequences that are measured, spread evenly over all sources: the same for every layout. */
export interface Evaluation {
  readonly sequences: number;
  /** Of a forward pass. */
  readonly batch: number;
}

/** Measured sequences are a multiple of this, so that they go through several at a time. */
const together = 4;

/** Of so many held-out sequences, how many are measured, in batches of what size. */
export function planEvaluation(heldOut: number, most: number, microBatch: number): Evaluation {
  const wanted = Math.min(heldOut, most);
  const sequences = wanted < together ? wanted : wanted - (wanted % together);
  const batches = [4, 2, 1].filter((size) => size <= Math.max(1, microBatch) && sequences % size === 0);
  return { sequences, batch: batches[0]! };
}

/** Forward passes of every rank: replicas take turns, and one without a batch of its own passes its last again, uncounted. */
export const passesOf = ({ sequences, batch }: Evaluation, replicas: number): number =>
  Math.ceil(sequences / batch / replicas);

export interface Evaluator {
  /** The mean loss of a token, or of a pair and then its figures, the same on every rank; all ranks call it together. */
  losses(held: Sequences['validation']): readonly number[];
}

/** A forward pass of an evaluation. */
export const evaluationStep = (settings: StepSettings, { batch }: Evaluation, rank: number): LossStep =>
  buildLossStep({ ...settings, microBatch: batch, microbatches: 1 }, rank);

/** Spread over all that are held out: the first of them would be of one source, and of the beginning of its text. */
export const measuredSequence = (
  held: Sequences['validation'],
  { sequences }: Pick<Evaluation, 'sequences'>,
  index: number,
): Sequence => held.sequence(Math.floor((index * held.count) / sequences));

interface EvaluatorParts {
  readonly step: LossStep;
  readonly executor: Executor;
  /** Of sequences of pairs. */
  readonly referenceOf?: ReferenceOf | undefined;
}

/** Plays a rank's {@link evaluationStep}. */
export function createEvaluator(
  transport: Transport,
  settings: StepSettings,
  { sequences, batch }: Evaluation,
  { step, executor, referenceOf }: EvaluatorParts,
): Evaluator {
  const { layout, preference } = settings;
  const { of } = executor.memory;
  const coords = coordsOf(layout, transport.rank);
  const [replicas, own] = [replicasOf(layout), replicaOf(layout, coords)];
  const batches = sequences / batch;
  if (step.one !== undefined) of(step.one).fill(1);

  /** Returns what its tokens count. */
  const fill = (held: Sequences['validation'], first: number): number =>
    fillMicrobatch(
      of,
      step.tokens[0]!,
      settings,
      (row) => measuredSequence(held, { sequences }, first + row),
      referenceOf,
    );
  return {
    losses(held) {
      /** The losses of the tokens or pairs, and what they count. */
      const sums = new Float64Array(lossNumbers(settings) + 1);
      const last = sums.length - 1;
      for (let pass = 0; pass < passesOf({ sequences, batch }, replicas); pass++) {
        const mine = pass * replicas + own;
        const counted = fill(held, Math.min(mine, batches - 1) * batch);
        if (step.loss !== undefined) of(step.loss).fill(0);
        executor.run();
        if (step.loss === undefined || mine >= batches) continue;
        for (const [index, loss] of of(step.loss).entries()) sums[index]! += loss;
        // Ranks of cp have the same pairs, each its own tokens.
        if (!preference || coords.cp === 0) sums[last]! += counted;
      }
      // The last stage of each replica has its sums, of each cp rank its tokens'; other stages add nothing.
      for (const axis of talkingAxes)
        if (layout[axis] > 1) transport.allReduce(groupOf(layout, transport.rank, axis), sums, 'sum', 'held-out loss');
      return Array.from(sums.subarray(0, last), (sum) => sum / Math.max(1, sums[last]!));
    },
  };
}

/** The sums of an evaluation go over these. */
const talkingAxes = ['cp', 'ep', 'dp', 'pp'] as const;

/** What one evaluation sends besides its passes. */
export const evaluationTalk = (settings: StepSettings): BytesSent => {
  const { layout } = settings;
  const bytes = 8 * (lossNumbers(settings) + 1);
  return talkingAxes
    .filter((axis) => layout[axis] > 1)
    .map((axis): BytesSent => ({ [axis]: { allReduce: trafficBytes('allReduce', bytes, layout[axis]) } }))
    .reduce(addBytes, {});
};
