// A run when all is decided and its data are there: what the ranks will be told, and what it is predicted to take.
import type { ModelSource } from '../checkpoint/model-source.ts';
import { timesSeen } from '../data/epochs.ts';
import type { PackedStatistics } from '../data/packing-file.ts';
import { pairPositions } from '../data/pairs.ts';
import { openSequences, type Sequences } from '../data/sequences.ts';
import type { PreparedData } from '../data/tokens.ts';
import { fail, memory as memoryText, option } from '../errors.ts';
import type { WritingJob } from '../generate/job.ts';
import { checkTrainingFits, fits } from '../plan/machine.ts';
import { type MemoryEstimate, withSnapshots } from '../plan/memory.ts';
import type { RankPrediction } from '../plan/predict-step.ts';
import { availableMemory } from '../runtime/available-memory.ts';
import type { StepSettings } from '../step/settings.ts';
import { decideSteps, type Steps } from './decide-steps.ts';
import { type Evaluation, planEvaluation } from './evaluate.ts';
import type { Reference } from './job.ts';
import type { RunManifest } from './manifest.ts';
import { stepSettings } from './objective.ts';
import type { Balance } from './packed-work.ts';
import { predictRun } from './predict-run.ts';
import { planReference } from './reference.ts';
import { referencePasses } from './reference-pass.ts';
import { outerOf } from './replicas.ts';
import { planSample } from './sample.ts';
import type { LaidOut, Settled } from './settled.ts';

export interface RunPlan extends Steps {
  readonly settled: LaidOut;
  readonly settings: StepSettings;
  readonly tokens: PreparedData;
  /** Sequences of an epoch. */
  readonly sequences: number;
  /** How often the whole run sees the data, on average. */
  readonly epochs: number;
  /** The same for each source of a mix. */
  readonly seen: readonly number[];
  /** Of dpo. */
  readonly reference?: Reference & { readonly passes: number };
  readonly evaluation?: Evaluation & { readonly every: number };
  readonly sample?: WritingJob & { readonly every: number };
  /** Checkpoints are written while the next steps run, from copies. */
  readonly savesBeside: boolean;
  /** Matrix FLOPs of all ranks. */
  readonly flopsPerStep: number;
  /** By rank, for the steps of this part of the run. */
  readonly predicted: readonly RankPrediction[];
  /** What dealing packed documents out by cost changes, where ranks could share them out. */
  readonly balance?: Balance;
  /** By how much the process's resident memory is to grow when the ranks run. */
  readonly processBytes: number;
}

/** Before the run is laid out, which may take seconds. @throws an error of exit status 2 for data that are too few or not those of the run gone on with */
export function checkData({ run, given, before }: Settled, tokens: PreparedData): void {
  if (before && given.dataChanged !== true) checkSameData(before, tokens, given.resume!);
  openData(run, tokens).sequences.close();
}

/** `folder`: for what a run that saves nothing writes on the way. @throws an error of exit status 2 when the run cannot start; nothing is written */
export function planRun(settled: LaidOut, tokens: PreparedData, folder: string): RunPlan {
  const { sequences, ofStep } = openData(settled.run, tokens);
  try {
    return planWith(sequences, settled, tokens, { ofStep, folder });
  } finally {
    sequences.close();
  }
}

function openData(run: Settled['run'], tokens: PreparedData) {
  const { seed, heldOut } = run;
  const ofStep = stepSettings(run, tokens.ofPairs?.most ?? 0);
  return { ofStep, sequences: openSequences(tokens.sources, { seqLen: ofStep.seqLen, seed, heldOut }) };
}

interface PlanContext {
  readonly ofStep: ReturnType<typeof stepSettings>;
  readonly folder: string;
}

function planWith(
  sequences: Sequences,
  settled: LaidOut,
  tokens: PreparedData,
  { ofStep, folder }: PlanContext,
): RunPlan {
  const { run, model, layout, microbatches, shares, speeds } = settled;
  const { seqLen, microBatch, globalBatch, precision } = run;
  const steps = decideSteps(settled, sequences.sources);
  const settings: StepSettings = {
    config: model.config,
    layout,
    microBatch,
    microbatches,
    ...(shares ? { shares } : {}),
    ...(speeds ? { speeds } : {}),
    precision,
    ...outerOf(run),
    ...ofStep,
  };
  const reference =
    tokens.ofPairs &&
    planReference(
      settled,
      tokens.ofPairs,
      tokens.sources.map(({ sha256 }) => sha256),
      folder,
    );
  const passes = reference?.isNew ? referencePasses(settings, sequences.all.count) : 0;
  const toDo = steps.run.steps - steps.stepsDone;
  const { evalEvery, evalSequences } = run;
  const evaluation =
    evalEvery === undefined
      ? undefined
      : { ...planEvaluation(sequences.validation.count, evalSequences, microBatch), every: evalEvery };
  const { sampleEvery } = run;
  const sample = sampleEvery === undefined ? undefined : { ...planSample(settled), every: sampleEvery };
  const { ranks, flopsPerStep, memory, balance } = predictRun({
    settings,
    firstStep: steps.stepsDone + 1,
    steps: toDo,
    evaluation: evaluation && { ...evaluation, times: timesDue(evaluation.every, steps.stepsDone, steps.run.steps) },
    sample: sample && { ...sample, times: timesDue(sample.every, steps.stepsDone, steps.run.steps) },
    sequences,
    referencePasses: passes,
  });
  // Checked already, but for what is done besides.
  if (evaluation || sample || reference) checkTrainingFits(settings, availableMemory(), memory);
  const saves = run.saveEvery === undefined ? 0 : timesDue(run.saveEvery, steps.stepsDone, steps.run.steps);
  // After the last step nothing runs.
  const copying = saves > 1 ? withSnapshots(memory, settings) : undefined;
  const savesBeside = copying !== undefined && fits(copying, availableMemory());
  return {
    ...steps,
    notes: [
      ...ignoredKeys(model),
      ...settled.notes,
      ...packingNotes(tokens, seqLen),
      ...pairNotes(tokens, seqLen),
      ...balanceNotes(settings, balance),
      ...steps.notes,
      ...(copying && !savesBeside ? [waitingNote(copying)] : []),
    ],
    ...(balance ? { balance } : {}),
    settled,
    settings,
    tokens,
    sequences: sequences.count,
    epochs: (steps.run.steps * globalBatch) / sequences.count,
    seen: timesSeen(sequences.sources, steps.run.steps, globalBatch),
    ...(reference ? { reference: { ...reference, passes } } : {}),
    ...(evaluation ? { evaluation } : {}),
    ...(sample ? { sample } : {}),
    savesBeside,
    flopsPerStep,
    predicted: ranks,
    processBytes: (savesBeside ? copying : memory).processBytes,
  };
}

const ignoredKeys = ({ config }: ModelSource): string[] =>
  config.ignored.length === 0
    ? []
    : [`config.json has keys that are not known here and change nothing: ${config.ignored.join(', ')}`];

const waitingNote = ({ snapshots }: MemoryEstimate): string =>
  `steps wait while a checkpoint is written: there is no room for copies of what is saved (${memoryText(snapshots)})`;

const packingNotes = ({ packed }: PreparedData, seqLen: number): string[] =>
  packed === undefined
    ? []
    : [
        `packed ${packed.documents} documents into ${packed.sequences} sequences: ${filledText(packed, seqLen)} of their positions hold a token`,
      ];

/** By count nothing is said where there is nothing to win. */
function balanceNotes({ packed }: StepSettings, balance: Balance | undefined): string[] {
  if (!balance) return [];
  const percent = Math.round((1 - balance.slowest) * 100);
  if (packed !== 'balanced' && percent < 1) return [];
  const both = `${balance.byCount.toFixed(2)} times the mean by count, ${balance.balanced.toFixed(2)} times balanced`;
  const less =
    packed === 'balanced'
      ? `it has ${percent} % less`
      : `with ${option('pack')} balanced it would have ${percent} % less`;
  return [`attention of the rank with most of it: ${both}${percent > 0 ? `; ${less} to compute in all` : ''}`];
}

const pairNotes = ({ ofPairs }: PreparedData, seqLen: number): string[] =>
  ofPairs === undefined
    ? []
    : [
        `${ofPairs.pairs} pairs in ${ofPairs.sequences} sequences of two times ${seqLen} tokens: ${filledText(ofPairs, pairPositions(seqLen))} of their positions hold a token`,
        ...(ofPairs.cut === 0
          ? []
          : [
              `${ofPairs.cut} of the pairs are longer than ${option('seqLen')} ${seqLen}: the ends of their completions are cut off`,
            ]),
      ];

/** Rounded down: what is not full is not said to be. */
const filledText = ({ filled, sequences }: Pick<PackedStatistics, 'filled' | 'sequences'>, seqLen: number): string =>
  `${Math.floor((filled / sequences / seqLen) * 1000) / 10} %`;

/** How often something is done after every so many steps and after the last. */
const timesDue = (every: number, stepsDone: number, steps: number): number =>
  stepsDone === steps ? 0 : Math.floor((steps - 1) / every) - Math.floor(stepsDone / every) + 1;

function checkSameData(before: RunManifest, tokens: PreparedData, resume: string): void {
  const same =
    before.data.length === tokens.sources.length &&
    before.data.every(({ sha256 }, index) => sha256 === tokens.sources[index]!.sha256);
  if (same) return;
  const count = (streams: readonly { readonly tokens: number }[]) =>
    `${streams.map((each) => each.tokens).join(' + ')} tokens`;
  const sorted = (streams: readonly { readonly sha256: string }[]) => `${streams.map((each) => each.sha256).sort()}`;
  const moved = sorted(before.data) === sorted(tokens.sources);
  fail('DATA_CHANGED', {
    path: resume,
    before: count(before.data),
    now: `${count(tokens.sources)}${moved ? ' in another order' : ''}`,
    fix: `give the files it was started with, or ${option('dataChanged')} to go on with these`,
  });
}
