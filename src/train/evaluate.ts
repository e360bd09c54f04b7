// The loss on held-out sequences, measured on the way: a forward pass over the weights that are being trained.
import type { Sequences } from '../data/sequences.ts';
import { coordsOf, groupOf, type Mesh } from '../mesh/mesh.ts';
import { trafficBytes } from '../mesh/traffic.ts';
import { addBytes, predictRank, type RankPrediction, timesSteps } from '../plan/predict-step.ts';
import { createExecutor, type Executor } from '../runtime/executor.ts';
import { parametersOf } from '../runtime/memory.ts';
import type { Transport } from '../runtime/transport/transport.ts';
import { buildLossStep } from '../step/forward-step.ts';
import type { StepSettings } from '../step/settings.ts';
import type { RankProgram } from '../step/step.ts';

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
export const passesOf = ({ sequences, batch }: Evaluation, { dp }: Pick<Mesh, 'dp'>): number =>
  Math.ceil(sequences / batch / dp);

export interface Evaluator {
  readonly executor: Executor;
  /** The mean loss of a token, in nats, the same on every rank; all ranks call it together. */
  loss(held: Sequences['validation']): number;
}

/** Works on the parameters of `training`. */
export function createEvaluator(
  transport: Transport,
  settings: StepSettings,
  { sequences, batch }: Evaluation,
  training: { readonly step: RankProgram; readonly executor: Executor },
): Evaluator {
  const { layout, seqLen } = settings;
  const step = buildLossStep({ ...settings, batch }, transport.rank);
  const executor = createExecutor(step, { transport, shared: parametersOf(training.step, training.executor.memory) });
  const { of } = executor.memory;
  const { dp } = coordsOf(layout, transport.rank);
  const batches = sequences / batch;

  const fill = (held: Sequences['validation'], first: number): void => {
    for (let row = 0; row < batch; row++) {
      // Spread over all that are held out: the first of them would be of one source, and of the beginning of its text.
      const { inputs, targets } = held.sequence(Math.floor(((first + row) * held.count) / sequences));
      if (step.ids !== undefined) (of(step.ids) as Int32Array).set(inputs, row * seqLen);
      if (step.targets !== undefined) (of(step.targets) as Int32Array).set(targets, row * seqLen);
    }
  };
  return {
    executor,
    loss(held) {
      const sum = new Float64Array(1);
      for (let pass = 0; pass < passesOf({ sequences, batch }, layout); pass++) {
        const mine = pass * layout.dp + dp;
        fill(held, Math.min(mine, batches - 1) * batch);
        if (step.loss !== undefined) of(step.loss).fill(0);
        executor.run();
        if (step.loss !== undefined && mine < batches) sum[0]! += of(step.loss)[0]!;
      }
      // The last stage of each replica has its sum; other stages add nothing.
      for (const axis of talkingAxes)
        if (layout[axis] > 1) transport.allReduce(groupOf(layout, transport.rank, axis), sum, 'sum', 'held-out loss');
      return sum[0]! / (sequences * seqLen);
    },
  };
}

/** The sums of an evaluation go over these. */
const talkingAxes = ['dp', 'pp'] as const;

/** What one evaluation takes on a rank. */
export function predictEvaluation(settings: StepSettings, evaluation: Evaluation, rank: number): RankPrediction {
  const { layout } = settings;
  const step = buildLossStep({ ...settings, batch: evaluation.batch }, rank);
  const passes = timesSteps(predictRank(step), passesOf(evaluation, layout));
  const shared = step.buffers.filter(({ role }) => role === 'parameter').reduce((sum, { bytes }) => sum + bytes, 0);
  const sums = talkingAxes
    .filter((axis) => layout[axis] > 1)
    .map((axis) => ({ [axis]: { allReduce: trafficBytes('allReduce', 8, layout[axis]) } }));
  return {
    ...passes,
    peakBytes: passes.peakBytes - shared,
    bytesSent: sums.reduce(addBytes, passes.bytesSent),
  };
}
