// A run when all is decided and its data are there: what the ranks will be told, and what it is predicted to take.
import type { ModelSource } from '../checkpoint/model-source.ts';
import { timesSeen } from '../data/epochs.ts';
import type { PackedStatistics } from '../data/packing-file.ts';
import { openSequences, type Sequences } from '../data/sequences.ts';
import type { PreparedData } from '../data/tokens.ts';
import { fail, option } from '../errors.ts';
import type { WritingJob } from '../generate/job.ts';
import { checkTrainingFits } from '../plan/machine.ts';
import type { RankPrediction } from '../plan/predict-step.ts';
import { availableMemory } from '../runtime/available-memory.ts';
import type { StepSettings } from '../step/settings.ts';
import { decideSteps, type Steps } from './decide-steps.ts';
import { type Evaluation, planEvaluation } from './evaluate.ts';
import type { RunManifest } from './manifest.ts';
import { predictRun } from './predict-run.ts';
import { outerOf } from './replicas.ts';
import { planSample } from './sample.ts';
import type { Settled } from './settle.ts';

export interface RunPlan extends Steps {
  readonly settled: Settled;
  readonly settings: StepSettings;
  readonly tokens: PreparedData;
  /** Sequences of an epoch. */
  readonly sequences: number;
  /** How often the whole run sees the data, on average. */
  readonly epochs: number;
  /** The same for each source of a mix. */
  readonly seen: readonly number[];
  readonly evaluation?: Evaluation & { readonly every: number };
  readonly sample?: WritingJob & { readonly every: number };
  /** Matrix FLOPs of all ranks. */
  readonly flopsPerStep: number;
  /** By rank, for the steps of this part of the run. */
  readonly predicted: readonly RankPrediction[];
  /** By how much the process's resident memory is to grow when the ranks run. */
  readonly processBytes: number;
}

/** @throws an error of exit status 2 when the run cannot start; nothing is written */
export function planRun(settled: Settled, tokens: PreparedData): RunPlan {
  const { seqLen, seed, heldOut } = settled.run;
  const sequences = openSequences(tokens.sources, { seqLen, seed, heldOut });
  try {
    return planWith(sequences, settled, tokens);
  } finally {
    sequences.close();
  }
}

function planWith(sequences: Sequences, settled: Settled, tokens: PreparedData): RunPlan {
  const { run, given, before, model, layout, microbatches } = settled;
  const { seqLen, microBatch, globalBatch, precision } = run;
  if (before && given.dataChanged !== true) checkSameData(before, tokens, given.resume!);
  const steps = decideSteps(settled, sequences.sources);
  const settings: StepSettings = {
    config: model.config,
    layout,
    seqLen,
    microBatch,
    microbatches,
    precision,
    ...outerOf(run),
    ...(run.pack ? { packed: true } : {}),
  };
  const toDo = steps.run.steps - steps.stepsDone;
  const { evalEvery, evalSequences } = run;
  const evaluation =
    evalEvery === undefined
      ? undefined
      : { ...planEvaluation(sequences.validation.count, evalSequences, microBatch), every: evalEvery };
  const { sampleEvery } = run;
  const sample = sampleEvery === undefined ? undefined : { ...planSample(settled), every: sampleEvery };
  const { ranks, flopsPerStep, memory } = predictRun({
    settings,
    firstStep: steps.stepsDone + 1,
    steps: toDo,
    evaluation: evaluation && { ...evaluation, times: timesDue(evaluation.every, steps.stepsDone, steps.run.steps) },
    sample: sample && { ...sample, times: timesDue(sample.every, steps.stepsDone, steps.run.steps) },
    sequences,
  });
  // Checked already, but for what is measured on the way.
  if (evaluation || sample) checkTrainingFits(settings, availableMemory(), memory);
  return {
    ...steps,
    notes: [...ignoredKeys(model), ...packingNotes(tokens, seqLen), ...steps.notes],
    settled,
    settings,
    tokens,
    sequences: sequences.count,
    epochs: (steps.run.steps * globalBatch) / sequences.count,
    seen: timesSeen(sequences.sources, steps.run.steps, globalBatch),
    ...(evaluation ? { evaluation } : {}),
    ...(sample ? { sample } : {}),
    flopsPerStep,
    predicted: ranks,
    processBytes: memory.processBytes,
  };
}

const ignoredKeys = ({ config }: ModelSource): string[] =>
  config.ignored.length === 0
    ? []
    : [`config.json has keys that are not known here and change nothing: ${config.ignored.join(', ')}`];

const packingNotes = ({ packed }: PreparedData, seqLen: number): string[] =>
  packed === undefined
    ? []
    : [
        `packed ${packed.documents} documents into ${packed.sequences} sequences: ${filledText(packed, seqLen)} of their positions hold a token`,
      ];

/** Rounded down: what is not full is not said to be. */
const filledText = ({ filled, sequences }: PackedStatistics, seqLen: number): string =>
  `${Math.floor((filled / sequences / seqLen) * 1000) / 10} %`;

/** How often something is done after every so many steps and after the last. */
const timesDue = (every: number, stepsDone: number, steps: number): number =>
  Math.floor((steps - 1) / every) - Math.floor(stepsDone / every) + 1;

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
