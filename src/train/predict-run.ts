// What a run is predicted to take of every rank: the programs that will run, how often, and what packed documents change of them.
import type { Sequences } from '../data/sequences.ts';
import type { WritingJob } from '../generate/job.ts';
import { coordsOf, replicasOf } from '../mesh/mesh.ts';
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
import { byRank, rankClasses } from '../plan/stage-ranks.ts';
import { buildCompletionsStep, buildLogitsStep } from '../step/forward-step.ts';
import { type StepSettings, synchronisations } from '../step/settings.ts';
import { talkOf } from '../step/talk.ts';
import { trainingPrograms } from '../step/training-step.ts';
import { type Evaluation, evaluationStep, evaluationTalk, passesOf } from './evaluate.ts';
import { type Balance, packedWork } from './packed-work.ts';
import { referenceTalk } from './reference-pass.ts';
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
  /** Of packed documents on several ranks that share them out. */
  readonly balance?: Balance;
}

export function predictRun(work: RunWork): RunPrediction {
  const { settings, firstStep, steps, evaluation, sample, referencePasses: passes } = work;
  const { layout } = settings;
  const ranks = byRank(settings, (rank) => {
    const [training, outer] = trainingPrograms(settings, rank);
    const measuring = evaluation && evaluationStep(settings, evaluation, rank);
    const judging = passes > 0 ? buildCompletionsStep(settings, rank) : undefined;
    const programs: ProgramRuns[] = [{ program: training, runs: steps }];
    if (measuring)
      programs.push({ program: measuring, runs: evaluation.times * passesOf(evaluation, replicasOf(layout)) });
    if (sample)
      programs.push({ program: buildLogitsStep(sample.settings, rank), runs: sample.times * sample.maxTokens });
    if (judging) programs.push({ program: judging, runs: passes });
    if (outer) programs.push({ program: outer, runs: synchronisations(settings, firstStep, steps) });
    const flops = predictRank(training).flops;
    return { training, measuring, judging, programs, prediction: predictPrograms(programs), flops };
  });
  const more = (rank: number) =>
    [
      evaluation ? timesBytes(evaluationTalk(settings), evaluation.times) : {},
      sample ? timesBytes(sampleTalk(sample, coordsOf(layout, rank).pp), sample.times) : {},
      passes > 0 ? timesBytes(referenceTalk(settings), passes) : {},
    ].reduce(addBytes);
  const extra = settings.packed && steps > 0 ? packedWork(work, ranks) : undefined;
  return {
    ranks: ranks.map(({ prediction }, rank) => ({
      ...alsoSending(prediction, more(rank)),
      flops: prediction.flops + (extra?.flops[rank] ?? 0),
    })),
    flopsPerStep: ranks.reduce((sum, { flops }) => sum + flops, 0),
    memory: estimatePrograms(
      rankClasses(settings).map((each) => ({
        ranks: each.ranks,
        programs: ranks[each.rank]!.programs.map(({ program }) => program),
      })),
      talkOf(settings),
    ),
    ...(extra?.balance ? { balance: extra.balance } : {}),
  };
}
