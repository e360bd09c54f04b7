// What packed documents change of a run's work, found from the sequences that it will read: how much attention each rank computes, and how
// evenly it is dealt out.
import type { Sequence, Sequences } from '../data/sequences.ts';
import { coordsOf, rankAt, replicaOf, replicasOf } from '../mesh/mesh.ts';
import { type PlacedWork, placedWork } from '../plan/placed-flops.ts';
import { predictRank } from '../plan/predict-step.ts';
import { stepOrder } from '../step/balance.ts';
import { replicaSequences, type StepSettings, sequencesPerStep } from '../step/settings.ts';
import type { RankProgram } from '../step/step.ts';
import { type Evaluation, measuredSequence, passesOf } from './evaluate.ts';
import { passSequences } from './reference-pass.ts';
import { stepSequences } from './step-sequences.ts';

/** How packed documents go to steps and ranks: by their number of tokens, and by what their attention costs. */
export interface Balance {
  /** Attention of the rank that has most of it, over the mean of all ranks, step by step. */
  readonly byCount: number;
  readonly balanced: number;
  /** FLOPs of that rank in all, by cost over by count, for steps of as much attention. */
  readonly slowest: number;
}

/** Sequences that are read for a prediction; of a longer run the first speak for all. */
const mostRead = 20_000;
/** To compare two ways of dealing them out. */
const mostCompared = 512;

type Dealt = NonNullable<StepSettings['packed']>;

/** A run, or the part of it that is still to come. */
interface PackedRun {
  readonly settings: StepSettings;
  readonly firstStep: number;
  readonly steps: number;
  readonly evaluation?: (Evaluation & { readonly times: number }) | undefined;
  /** Passes over all pairs before the first step. */
  readonly referencePasses: number;
  readonly sequences: Sequences;
}

/** Those programs of a rank that sequences go through. */
interface RankPrograms {
  readonly training: RankProgram;
  readonly measuring: RankProgram | undefined;
  readonly judging: RankProgram | undefined;
}

/** What packed documents change of the FLOPs. */
interface PackedWork {
  /** By rank. */
  readonly flops: readonly number[];
  readonly balance?: Balance;
}

/** Of a run on packed documents; `programs`: of each rank. */
export function packedWork(
  { settings, firstStep, steps, evaluation, referencePasses: passes, sequences }: PackedRun,
  programs: readonly RankPrograms[],
): PackedWork {
  const { layout } = settings;
  const perReplica = replicaSequences(settings);
  const perStep = sequencesPerStep(settings);
  const replicas = perReplica.map((_, replica) => replica);
  /** By cp: all ranks that hold the same tokens see alike, whatever their stage. */
  const work = Array.from({ length: layout.cp }, (_, cp) => {
    const rank = rankAt(layout, { tp: 0, cp, ep: 0, dp: 0, pp: 0 });
    return placedWork(programs[rank]!.training, settings, cp)!;
  });
  const scoresOf = (cp: number, { positions, documents }: Sequence, packed?: Dealt) =>
    work[cp]!.scores({ positions: positions!, documents: documents! }, packed);
  const sequenceAt = {
    'by-count': stepSequences({ ...settings, packed: 'by-count' }, sequences),
    balanced: stepSequences({ ...settings, packed: 'balanced' }, sequences),
  } as const satisfies Record<Dealt, unknown>;
  /** Scores of one head in a step, by replica and cp. */
  const inStep = (step: number, packed: Dealt): number[][] => {
    const first = (firstStep - 1 + step) * perStep;
    const rows = Array.from({ length: perStep }, (_, index) => sequenceAt[packed](first + index));
    const order = stepOrder({ ...settings, packed }, (index) => rows[index]!.documents!);
    let next = 0;
    return perReplica.map((count) => {
      const own = order.slice(next, next + count);
      next += count;
      return work.map((_, cp) => own.reduce((sum, index) => sum + scoresOf(cp, rows[index]!, packed), 0));
    });
  };
  const counted = Math.min(steps, Math.ceil(mostRead / perStep));
  const trained = replicas.map(() => work.map(() => 0));
  for (let step = 0; step < counted; step++)
    for (const [replica, scores] of inStep(step, settings.packed!).entries())
      for (const [cp, each] of scores.entries())
        trained[replica]![cp]! += each - perReplica[replica]! * work[cp]!.scoresInOrder;
  /** Scores of a head beyond those in order (none are more), by replica and cp. */
  const beyond = (
    sequenceOf: (index: number) => Sequence,
    indices: Iterable<readonly [replica: number, index: number]>,
  ) => {
    const sums = replicas.map(() => work.map(() => 0));
    for (const [replica, index] of indices) {
      const sequence = sequenceOf(index);
      for (const [cp, { scoresInOrder }] of work.entries())
        sums[replica]![cp]! += scoresOf(cp, sequence) - scoresInOrder;
    }
    return sums;
  };
  const measured = evaluation
    ? beyond((index) => measuredSequence(sequences.validation, evaluation, index), passed(evaluation, replicas.length))
    : [];
  const judgedPasses = Math.min(passes, Math.ceil(mostRead / perStep));
  const judged = beyond(sequences.all.sequence, passedOver(settings, sequences.all.count, judgedPasses));
  const flops = programs.map(({ training, measuring, judging }, rank) => {
    const coords = coordsOf(layout, rank);
    const { cp } = coords;
    const replica = replicaOf(layout, coords);
    const perScore = (program: RankProgram) => placedWork(program, settings, cp)!.flopsPerScore;
    const inTraining = Math.round((trained[replica]![cp]! * steps * perScore(training)) / counted);
    const inEvaluation = evaluation ? measured[replica]![cp]! * evaluation.times * perScore(measuring!) : 0;
    const inReference = judging ? Math.round((judged[replica]![cp]! * passes * perScore(judging)) / judgedPasses) : 0;
    return inTraining + inEvaluation + inReference;
  });
  // Of uneven devices each is to have another share.
  if (replicas.length * layout.cp === 1 || settings.speeds) return { flops };
  const compared = Array.from({ length: Math.min(counted, Math.ceil(mostCompared / perStep)) }, (_, step) => step);
  const [{ flopsPerScore, scoresInOrder }] = work as [PlacedWork];
  const dense = predictRank(programs[0]!.training).flops - perReplica[0]! * scoresInOrder * flopsPerScore;
  const dealtBy = (packed: Dealt) => compared.map((step) => inStep(step, packed).flat());
  return { flops, balance: compareDealing(dealtBy('by-count'), dealtBy('balanced'), dense / flopsPerScore) };
}

/** Scores by step and rank, dealt out in two ways; `dense`: what each rank computes besides in a step, as scores. */
function compareDealing(
  byCount: readonly (readonly number[])[],
  balanced: readonly (readonly number[])[],
  dense: number,
): Balance {
  const meanOf = (steps: readonly (readonly number[])[]) =>
    steps.flat().reduce((sum, scores) => sum + scores, 0) / (steps.length * steps[0]!.length);
  /** Over the mean of the same steps: a few of them may hold other sequences in the two ways. */
  const mostOf = (steps: readonly (readonly number[])[]) =>
    steps.reduce((sum, ranks) => sum + Math.max(...ranks), 0) / steps.length / meanOf(steps);
  const [most, balancedMost] = [mostOf(byCount), mostOf(balanced)];
  const rest = dense / meanOf(byCount);
  return { byCount: most, balanced: balancedMost, slowest: (rest + balancedMost) / (rest + most) };
}

/** The sequences of the first passes for the reference, and which replica each goes to. */
function* passedOver(settings: StepSettings, sequences: number, passes: number): Generator<readonly [number, number]> {
  for (let pass = 0; pass < passes; pass++)
    for (let replica = 0; replica < replicasOf(settings.layout); replica++)
      for (const index of passSequences(settings, sequences, pass, replica)) yield [replica, index];
}

/** The held-out sequences of one evaluation; a replica without a batch of its own passes the last one again. */
function* passed({ sequences, batch }: Evaluation, replicas: number): Generator<readonly [number, number]> {
  const batches = sequences / batch;
  for (let turn = 0; turn < passesOf({ sequences, batch }, replicas) * replicas; turn++)
    for (let row = 0; row < batch; row++) yield [turn % replicas, Math.min(turn, batches - 1) * batch + row];
}
