// What a run is predicted to take of every rank: the programs that will run, how often, and what packed documents change of them.
import type { Sequences } from '../data/sequences.ts';
import type { WritingJob } from '../generate/job.ts';
import { coordsOf } from '../mesh/mesh.ts';
import { estimatePrograms, type MemoryEstimate } from '../plan/memory.ts';
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
import type { StepSettings } from '../step/settings.ts';
import { talkOf } from '../step/talk.ts';
import { buildTrainingStep } from '../step/training-step.ts';
import { type Evaluation, evaluationStep, evaluationTalk, passesOf } from './evaluate.ts';
import { type Balance, packedWork } from './packed-work.ts';
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
  /** Of packed documents on several ranks that share them out. */
  readonly balance?: Balance;
}

export function predictRun(work: RunWork): RunPrediction {
  const { settings, steps, evaluation, sample } = work;
  const { layout } = settings;
  const ranks = byRank(layout, (rank) => {
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
  const more = (rank: number) =>
    addBytes(
      evaluation ? timesBytes(evaluationTalk(layout), evaluation.times) : {},
      sample ? timesBytes(sampleTalk(sample, coordsOf(layout, rank).pp), sample.times) : {},
    );
  const programs = ranks.map((rank) => rank.programs.map(({ program }) => program));
  const extra = settings.packed && steps > 0 ? packedWork(work, programs) : undefined;
  return {
    ranks: ranks.map(({ prediction }, rank) => ({
      ...alsoSending(prediction, more(rank)),
      flops: prediction.flops + (extra?.flops[rank] ?? 0),
    })),
    flopsPerStep: ranks.reduce((sum, { flops }) => sum + flops, 0),
    memory: estimatePrograms(
      layout,
      stageRanks(layout).map((rank) => programs[rank]!),
      talkOf(settings),
    ),
    ...(extra?.balance ? { balance: extra.balance } : {}),
  };
}
