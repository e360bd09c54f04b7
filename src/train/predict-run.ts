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
import { buildCompletionsStep, buildLogitsStep } from '../step/forward-step.ts';
import type { StepSettings } from '../step/settings.ts';
import type { RankProgram } from '../step/step.ts';
import { talkOf } from '../step/talk.ts';
import { buildTrainingStep } from '../step/training-step.ts';
import { type Evaluation, evaluationStep, evaluationTalk, measuredSequence, passesOf } from './evaluate.ts';
import { passSequences, referenceTalk } from './reference-pass.ts';
import { sampleTalk } from './sample.ts';

/** What a part of a run does. */
export interface RunWork {
  readonly settings: StepSettings;
  readonly firstStep: number;
  readonly steps: number;
  readonly evaluation?: (Evaluation & { readonly times: number }) | undefined;
  readonly sample?: (WritingJob & { readonly times: number }) | undefined;
  /** Passes over all pairs before the first step; 0: their reference is known. */
  readonly referencePasses: number;
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
  const { settings, steps, evaluation, sample, referencePasses: passes } = work;
  const { layout } = settings;
  const stages = byStage(layout, (rank) => {
    const training = buildTrainingStep(settings, rank);
    const measuring = evaluation && evaluationStep(settings, evaluation, rank);
    const judging = passes > 0 ? buildCompletionsStep(settings, rank) : undefined;
    const programs: ProgramRuns[] = [{ program: training, runs: steps }];
    if (measuring) programs.push({ program: measuring, runs: evaluation.times * passesOf(evaluation, layout) });
    if (sample)
      programs.push({ program: buildLogitsStep(sample.settings, rank), runs: sample.times * sample.maxTokens });
    if (judging) programs.push({ program: judging, runs: passes });
    const flops = predictRank(training).flops;
    return { training, measuring, judging, programs, prediction: predictPrograms(programs), flops };
  });
  const more = [
    evaluation ? timesBytes(evaluationTalk(settings), evaluation.times) : {},
    sample ? timesBytes(sampleTalk(sample), sample.times) : {},
    passes > 0 ? timesBytes(referenceTalk(settings), passes) : {},
  ].reduce(addBytes);
  const extra = settings.packed ? packedFlops(work, stages) : undefined;
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

/** Those programs of a rank that sequences go through. */
interface StagePrograms {
  readonly training: RankProgram;
  readonly measuring: RankProgram | undefined;
  readonly judging: RankProgram | undefined;
}

/** What packed documents change of a rank's FLOPs, by stage and replica. */
function packedFlops(
  { settings, firstStep, steps, evaluation, referencePasses: passes, sequences }: RunWork,
  programs: readonly StagePrograms[],
): number[][] {
  const { layout, microBatch, microbatches } = settings;
  const perRank = microBatch * microbatches;
  const counted = Math.min(steps, Math.ceil(mostRead / (perRank * layout.dp)));
  const work = placedWork(programs[0]!.training)!;
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
  const judgedPasses = Math.min(passes, Math.ceil(mostRead / (perRank * layout.dp)));
  const judged = fewer(
    (index) => sequences.all.sequence(index),
    passedOver(settings, sequences.all.count, judgedPasses),
  );
  return programs.map(({ training, measuring, judging }) =>
    trained.map((scores, dp) => {
      const inTraining = Math.round((scores * steps * placedWork(training)!.flopsPerScore) / counted);
      const inEvaluation = evaluation ? measured[dp]! * evaluation.times * placedWork(measuring!)!.flopsPerScore : 0;
      const inReference = judging
        ? Math.round((judged[dp]! * passes * placedWork(judging)!.flopsPerScore) / judgedPasses)
        : 0;
      return inTraining + inEvaluation + inReference;
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

/** The sequences of the first passes for the reference, and which replica each goes to. */
function* passedOver(settings: StepSettings, sequences: number, passes: number): Generator<readonly [number, number]> {
  for (let pass = 0; pass < passes; pass++)
    for (let dp = 0; dp < settings.layout.dp; dp++)
      for (const index of passSequences(settings, sequences, pass, dp)) yield [dp, index];
}

/** The held-out sequences of one evaluation; a replica without a batch of its own passes the last one again. */
function* passed({ sequences, batch }: Evaluation, replicas: number): Generator<readonly [number, number]> {
  const batches = sequences / batch;
  for (let turn = 0; turn < passesOf({ sequences, batch }, { dp: replicas }) * replicas; turn++)
    for (let row = 0; row < batch; row++) yield [turn % replicas, Math.min(turn, batches - 1) * batch + row];
}
