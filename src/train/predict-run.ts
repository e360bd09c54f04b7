// What a run is predicted to take of every rank: the programs that will run, how often, and what packed documents change of them.
import type { Sequence, Sequences } from '../data/sequences.ts';
import type { WritingJob } from '../generate/job.ts';
import { coordsOf, rankAt } from '../mesh/mesh.ts';
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
import { byRank, stageRanks } from '../plan/stage-ranks.ts';
import { buildLogitsStep } from '../step/forward-step.ts';
import { type StepSettings, synchronisations } from '../step/settings.ts';
import type { RankProgram } from '../step/step.ts';
import { talkOf } from '../step/talk.ts';
import { trainingPrograms } from '../step/training-step.ts';
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
  const { settings, firstStep, steps, evaluation, sample } = work;
  const { layout } = settings;
  const ranks = byRank(layout, (rank) => {
    const [training, outer] = trainingPrograms(settings, rank);
    const programs: ProgramRuns[] = [{ program: training, runs: steps }];
    if (evaluation)
      programs.push({
        program: evaluationStep(settings, evaluation, rank),
        runs: evaluation.times * passesOf(evaluation, layout),
      });
    if (sample)
      programs.push({ program: buildLogitsStep(sample.settings, rank), runs: sample.times * sample.maxTokens });
    if (outer) programs.push({ program: outer, runs: synchronisations(settings, firstStep, steps) });
    return { programs, prediction: predictPrograms(programs), flops: predictRank(training).flops };
  });
  const more = (rank: number) =>
    addBytes(
      evaluation ? timesBytes(evaluationTalk(layout), evaluation.times) : {},
      sample ? timesBytes(sampleTalk(sample, coordsOf(layout, rank).pp), sample.times) : {},
    );
  const programs = ranks.map((rank) => rank.programs.map(({ program }) => program));
  const extra = settings.packed ? packedFlops(work, programs) : undefined;
  return {
    ranks: ranks.map(({ prediction }, rank) => ({
      ...alsoSending(prediction, more(rank)),
      flops: prediction.flops + (extra?.[rank] ?? 0),
    })),
    flopsPerStep: ranks.reduce((sum, { flops }) => sum + flops, 0),
    memory: estimatePrograms(
      layout,
      stageRanks(layout).map((rank) => programs[rank]!),
      talkOf(settings),
    ),
  };
}

/** Sequences that are read for a prediction; of a longer run the first speak for all. */
const mostRead = 20_000;

/** What packed documents change of the FLOPs, by rank. */
function packedFlops(
  { settings, firstStep, steps, evaluation, sequences }: RunWork,
  programs: readonly (readonly RankProgram[])[],
): number[] {
  const { layout, microBatch, microbatches } = settings;
  const perRank = microBatch * microbatches;
  const counted = Math.min(steps, Math.ceil(mostRead / (perRank * layout.dp)));
  /** Scores of a head beyond those of sequences of one document (none are more), by replica. */
  const fewer = (
    work: PlacedWork,
    sequenceOf: (index: number) => Sequence,
    indices: Iterable<readonly [dp: number, index: number]>,
  ) => {
    const sums = Array.from({ length: layout.dp }, () => 0);
    for (const [dp, index] of indices) {
      const { positions, documents } = sequenceOf(index);
      sums[dp]! += work.scores({ positions: positions!, documents: documents! }) - work.scoresInOrder;
    }
    return sums;
  };
  /** All ranks that hold the same tokens see alike, whatever their stage. */
  const byShare = Array.from({ length: layout.cp }, (_, cp) => {
    const rank = rankAt(layout, { tp: 0, cp, ep: 0, dp: 0, pp: 0 });
    const work = placedWork(programs[rank]![0]!, settings, cp)!;
    return {
      trained: fewer(work, (index) => sequences.sequence(index), dealt(firstStep, counted, perRank, layout.dp)),
      measured: evaluation
        ? fewer(
            work,
            (index) => measuredSequence(sequences.validation, evaluation, index),
            passed(evaluation, layout.dp),
          )
        : [],
    };
  });
  return programs.map(([training, second], rank) => {
    const { cp, dp } = coordsOf(layout, rank);
    const { trained, measured } = byShare[cp]!;
    const perScore = (program: RankProgram) => placedWork(program, settings, cp)!.flopsPerScore;
    const inTraining = Math.round((trained[dp]! * steps * perScore(training!)) / counted);
    return inTraining + (evaluation ? measured[dp]! * evaluation.times * perScore(second!) : 0);
  });
}

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
