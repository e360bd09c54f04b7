// What a run is predicted to take of every rank: the programs that will run, how often, and what packed documents change of them.
import type { Sequence, Sequences } from '../data/sequences.ts';
import type { WritingJob } from '../generate/job.ts';
import { coordsOf, worldSize } from '../mesh/mesh.ts';
import { estimatePrograms, type MemoryEstimate } from '../plan/memory.ts';
import { type PlacedWork, placedWork } from '../plan/placed-flops.ts';
import {
  addBytes,
  alsoSending,
  type ProgramRuns,
  predictPrograms,
  predictRank,
  type RankPrediction,
  timesBytes,
} from '../plan/predict-step.ts';
import { byStage } from '../plan/stage-ranks.ts';
import { buildLogitsStep } from '../step/forward-step.ts';
import type { StepSettings } from '../step/settings.ts';
import type { RankProgram } from '../step/step.ts';
import { talkOf } from '../step/talk.ts';
import { buildTrainingStep } from '../step/training-step.ts';
import { type Evaluation, evaluationStep, evaluationTalk, measuredSequence, passesOf } from './evaluate.ts';
import { sampleTalk } from './sample.ts';

/** What a part of a run does. */
export interface RunWork {
  readonly settings: StepSettings;
  readonly firstStep: number;
  readonly steps: number;
  readonly evaluation?: (Evaluation & { readonly times: number }) | undefined;
  readonly sample?: (WritingJob & { readonly times: number }) | undefined;
  /** Open: what packed sequences hold is read from them. */
  readonly sequences: Sequences;
}

export interface RunPrediction {
  /** By rank. */
  readonly ranks: readonly RankPrediction[];
  /** Matrix FLOPs of all ranks, for sequences of one document. */
  readonly flopsPerStep: number;
  readonly memory: MemoryEstimate;
}

export function predictRun(work: RunWork): RunPrediction {
  const { settings, steps, evaluation, sample } = work;
  const { layout } = settings;
  const stages = byStage(layout, (rank) => {
    const training = buildTrainingStep(settings, rank);
    const programs: ProgramRuns[] = [{ program: training, runs: steps }];
    if (evaluation)
      programs.push({
        program: evaluationStep(settings, evaluation, rank),
        runs: evaluation.times * passesOf(evaluation, layout),
      });
    if (sample)
      programs.push({ program: buildLogitsStep(sample.settings, rank), runs: sample.times * sample.maxTokens });
    return { programs, prediction: predictPrograms(programs), flops: predictRank(training).flops };
  });
  const more = addBytes(
    evaluation ? timesBytes(evaluationTalk(layout), evaluation.times) : {},
    sample ? timesBytes(sampleTalk(sample), sample.times) : {},
  );
  const extra =
    settings.packed && steps > 0
      ? packedFlops(
          work,
          stages.map(({ programs }) => programs.map(({ program }) => program)),
        )
      : undefined;
  return {
    ranks: Array.from({ length: worldSize(layout) }, (_, rank) => {
      const { pp, dp } = coordsOf(layout, rank);
      const prediction = alsoSending(stages[pp]!.prediction, more);
      return { ...prediction, flops: prediction.flops + (extra?.[pp]?.[dp] ?? 0) };
    }),
    flopsPerStep: (worldSize(layout) / layout.pp) * stages.reduce((sum, { flops }) => sum + flops, 0),
    memory: estimatePrograms(
      layout,
      stages.map(({ programs }) => programs.map(({ program }) => program)),
      talkOf(settings),
    ),
  };
}

/** Sequences that are read for a prediction; of a longer run the first speak for all. */
const mostRead = 20_000;

/** What packed documents change of a rank's FLOPs, by stage and replica. */
function packedFlops(
  { settings, firstStep, steps, evaluation, sequences }: RunWork,
  programs: readonly (readonly RankProgram[])[],
): number[][] {
  const { layout, microBatch, microbatches } = settings;
  const perRank = microBatch * microbatches;
  const counted = Math.min(steps, Math.ceil(mostRead / (perRank * layout.dp)));
  const work = placedWork(programs[0]![0]!)!;
  /** Scores of a head beyond those in order (none are more), by replica. */
  const fewer = (sequenceOf: (index: number) => Sequence, indices: Iterable<readonly [dp: number, index: number]>) => {
    const sums = Array.from({ length: layout.dp }, () => 0);
    for (const [dp, index] of indices) sums[dp]! += scoresOf(work, sequenceOf(index)) - work.scoresInOrder;
    return sums;
  };
  const trained = fewer((index) => sequences.sequence(index), dealt(firstStep, counted, perRank, layout.dp));
  const measured = evaluation
    ? fewer((index) => measuredSequence(sequences.validation, evaluation, index), passed(evaluation, layout.dp))
    : [];
  return programs.map(([training, second]) =>
    trained.map((scores, dp) => {
      const inTraining = Math.round((scores * steps * placedWork(training!)!.flopsPerScore) / counted);
      const inEvaluation = evaluation ? measured[dp]! * evaluation.times * placedWork(second!)!.flopsPerScore : 0;
      return inTraining + inEvaluation;
    }),
  );
}

const scoresOf = (work: PlacedWork, { positions, documents }: Sequence): number =>
  work.scores({ positions: positions!, documents: documents! });

/** The sequences of some steps, and which replica each goes to. */
function* dealt(
  firstStep: number,
  steps: number,
  perRank: number,
  replicas: number,
): Generator<readonly [number, number]> {
  const each = perRank * replicas;
  for (let index = 0; index < steps * each; index++)
    yield [Math.floor((index % each) / perRank), (firstStep - 1) * each + index];
}

/** The held-out sequences of one evaluation; a replica without a batch of its own passes the last one again. */
function* passed({ sequences, batch }: Evaluation, replicas: number): Generator<readonly [number, number]> {
  const batches = sequences / batch;
  for (let turn = 0; turn < passesOf({ sequences, batch }, { dp: replicas }) * replicas; turn++)
    for (let row = 0; row < batch; row++) yield [turn % replicas, Math.min(turn, batches - 1) * batch + row];
}
