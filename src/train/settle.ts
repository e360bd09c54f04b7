// From what was given to what will be done: every setting gets its value, from the call, the run gone on with, or its default.
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { holderOf, wasClaimed } from '../checkpoint/claim.ts';
import { identityOf, openOptimizer } from '../checkpoint/hf-directory.ts';
import { isKeptStep } from '../checkpoint/keep.ts';
import { findModel, type ModelSource } from '../checkpoint/model-source.ts';
import { checkOut, holdsWeights } from '../checkpoint/out-directory.ts';
import { stepsForEpochs } from '../data/epochs.ts';
import type { SourceSequences } from '../data/sequences.ts';
import { loadTokenizer, type Tokenizer, tokenizerFile } from '../data/tokenizer.ts';
import { fail, option } from '../errors.ts';
import { readScheduleFile } from '../files/schedule-file.ts';
import { type Layout, parseLayout, printLayout } from '../mesh/layout.ts';
import { checkFit } from '../model/fit.ts';
import { refuseDropout } from '../model/keys.ts';
import { checkTrainingFits } from '../plan/machine.ts';
import { availableMemory } from '../runtime/available-memory.ts';
import { defaultMicroBatch, machineLayout } from './auto-layout.ts';
import { type RunManifest, readRun } from './manifest.ts';
import { betaOf, stepSettings } from './objective.ts';
import { defaultWarmup } from './optimizer.ts';
import { checkRunFiles, metricsName, settingsName } from './run-directory.ts';
import { mostSteps, type RunSettings, type TrainSettings, trainDefaults } from './settings.ts';
import { checkTrace } from './trace-file.ts';

/** Decided by the number of steps, which `epochs` leaves open until the data are known: see {@link decideSteps}. */
type ByStep = 'steps' | 'warmupSteps' | 'decaySteps';

export interface Settled {
  readonly given: TrainSettings;
  /** The run gone on with. */
  readonly before?: RunManifest;
  readonly model: ModelSource;
  /** The weights to start from, and what they were when the run was settled: see `identityOf`. */
  readonly weights?: { readonly path: string; readonly identity: string };
  readonly layout: Layout;
  readonly microbatches: number;
  readonly tokenizer: Tokenizer;
  readonly run: Omit<RunSettings, ByStep>;
}

/**
 * Checks all that can be checked without reading the data; writes nothing. `source`: the model when it is not named but given;
 * `readSchedule`: gives the text of the file that a layout names.
 * @throws an error of exit status 2 that names the setting
 */
export function settle(given: TrainSettings, source?: ModelSource, readSchedule = readScheduleFile): Settled {
  const { resume } = given;
  // Before the notes are read: a step saved after them must not pass for theirs.
  const resumed = resume === undefined ? undefined : identityOfRun(resume);
  const before = resume === undefined ? undefined : goOnWith(resume, given);
  const data = given.data ?? before?.run.data ?? missing('data', 'give text files or folders to train on');
  const mix = given.mix ?? before?.run.mix;
  if (mix && mix.length !== data.length)
    refuse(
      'mix',
      `${mix.length} weights${given.mix ? '' : ` of the run in ${resume}`} for ${data.length} paths of data`,
      given.mix ? 'give one for each path' : `give ${option('data')} ${mix.length} paths`,
    );
  const name = given.model ?? trainDefaults.model;
  const model = source ?? findModel(resume ?? name, given.set ?? []);
  const weights = resume ?? model.weights;
  const value = <K extends keyof RunSettings & keyof typeof trainDefaults>(key: K): RunSettings[K] =>
    (given[key as keyof TrainSettings] ?? before?.run[key] ?? trainDefaults[key]) as RunSettings[K];

  const objective = value('objective');
  const beta = betaOf(objective, given.beta, before?.run.beta);
  const seqLen = given.seqLen ?? before?.run.seqLen ?? Math.min(trainDefaults.seqLen, model.config.positions.max);
  const globalBatch = value('globalBatch');
  const precision = value('precision');
  const text = value('layout');
  const ofStep = stepSettings({ objective, beta, seqLen, pack: value('pack') }, 1);
  const layout =
    text === 'auto'
      ? machineLayout({
          config: model.config,
          seqLen,
          globalBatch,
          precision,
          ofStep,
          ...(given.microBatch === undefined ? {} : { microBatch: given.microBatch }),
        })
      : parseLayout(text, given.layout === undefined ? (path) => readSchedule(path, goneFix) : readSchedule);
  const microBatch =
    given.microBatch ?? usable(before?.run.microBatch, globalBatch, layout) ?? defaultMicroBatch(globalBatch, layout);
  const microbatches = checkFit(model.config, layout, { seqLen, globalBatch, microBatch });
  if (!before) refuseDropout(model.config);
  const settings = { config: model.config, layout, microBatch, microbatches, precision, ...ofStep };
  checkTrainingFits(settings, availableMemory());
  checkPlaces(given);
  const namedTokenizer = given.tokenizer ?? model.tokenizerPath;
  const tokenizerPath = namedTokenizer === undefined ? undefined : tokenizerFile(namedTokenizer);
  const rates = ratesOf(given, before, objective);
  const heldOut =
    given.heldOut ??
    before?.run.heldOut ??
    (given.evalEvery === undefined ? trainDefaults.heldOut : trainDefaults.heldOutForEvaluation);
  if (given.evalEvery !== undefined && heldOut === 0)
    refuse(
      'evalEvery',
      'no data are held out to measure the loss on',
      before ? 'leave it out, or start a new run from its weights' : `give ${option('heldOut')} a share above 0`,
    );
  return {
    given,
    ...(before ? { before } : {}),
    model,
    ...(weights === undefined ? {} : { weights: { path: weights, identity: resumed ?? identityOf(weights) } }),
    layout,
    microbatches,
    tokenizer: loadTokenizer(tokenizerPath),
    run: {
      objective,
      ...optional('beta', beta),
      model: before?.run.model ?? name,
      set: before?.run.set ?? given.set ?? [],
      data,
      ...optional('mix', mix),
      pack: value('pack'),
      heldOut,
      ...optional('tokenizer', tokenizerPath),
      layout: printLayout(layout),
      seqLen,
      globalBatch,
      microBatch,
      ...rates,
      betas: value('betas'),
      epsilon: value('epsilon'),
      weightDecay: value('weightDecay'),
      clipNorm: value('clipNorm'),
      seed: value('seed'),
      precision,
      ...optional('evalEvery', given.evalEvery ?? before?.run.evalEvery),
      evalSequences: value('evalSequences'),
      ...optional('sampleEvery', given.sampleEvery ?? before?.run.sampleEvery),
      samplePrompt: value('samplePrompt'),
      ...optional('saveEvery', given.saveEvery ?? before?.run.saveEvery),
      keep: value('keep'),
      ...optional('weightsType', given.weightsType ?? before?.run.weightsType),
    },
  };
}

/** For the schedule of a run gone on with. */
const goneFix = `put it back, or give another ${option('layout')}`;

const optional = <K extends string, T>(key: K, value: T | undefined): { readonly [key in K]?: T } =>
  value === undefined ? {} : ({ [key]: value } as { [key in K]: T });

function refuse(key: string, problem: string, fix: string): never {
  return fail('OPTION_INVALID', { option: option(key), problem, fix });
}

const missing = (key: string, fix: string): never => refuse(key, 'it is missing', fix);

/** The microbatch of the run gone on with, if it divides what a rank of the new layout works on. */
function usable(microBatch: number | undefined, globalBatch: number, { dp }: Layout): number | undefined {
  return microBatch !== undefined && (globalBatch / dp) % microBatch === 0 ? microBatch : undefined;
}

function ratesOf(
  given: TrainSettings,
  before: RunManifest | undefined,
  objective: RunSettings['objective'],
): Pick<RunSettings, 'learningRate' | 'minLearningRate'> {
  const usual = objective === 'dpo' ? trainDefaults.dpoLearningRate : trainDefaults.learningRate;
  const learningRate = given.learningRate ?? before?.run.learningRate ?? usual;
  // A new peak takes the end of the cosine along.
  const ratio = before ? before.run.minLearningRate / before.run.learningRate : 0.1;
  const kept = learningRate === before?.run.learningRate ? before.run.minLearningRate : undefined;
  const minLearningRate = given.minLearningRate ?? kept ?? learningRate * ratio;
  if (minLearningRate > learningRate)
    refuse(
      'minLearningRate',
      `${minLearningRate} is above the learning rate ${learningRate}`,
      `use ${option('minLearningRate')} ${learningRate} or less`,
    );
  return { learningRate, minLearningRate };
}

/** Where the run writes. */
function checkPlaces({ out = undefined, resume, trace, saveEvery, keep }: TrainSettings): void {
  const to = out ?? resume;
  if (to !== undefined) {
    if (isKeptStep(to))
      refuse(
        'out',
        `${to} is a kept step of another run, which the next one saved would change`,
        `give ${option('out')} a new directory`,
      );
    checkOut(to, { resume });
    checkRunFiles(to);
  } else
    for (const [key, value] of Object.entries({ saveEvery, keep }))
      if (value !== undefined && !(key === 'keep' && value === trainDefaults.keep))
        refuse(key, 'there is nowhere to save to', `add ${option('out')} <dir>`);
  if (trace !== undefined) checkTrace(trace);
}

function identityOfRun(resume: string): string {
  checkSaved(resume);
  openOptimizer(resume).close();
  return identityOf(resume);
}

/** @throws CHECKPOINT_MISSING for a run that has not saved a step yet, or ended before it did */
function checkSaved(resume: string): void {
  if (!statSync(resume, { throwIfNoEntry: false })?.isDirectory() || holdsWeights(resume)) return;
  const holder = holderOf(resume);
  const names = [settingsName, metricsName].filter((name) => existsSync(join(resume, name)));
  if (holder === undefined && names.length === 0 && !wasClaimed(resume)) return;
  const config = names.includes(settingsName) ? `${option('config')} ${join(resume, settingsName)} ` : '';
  fail('CHECKPOINT_MISSING', {
    path: resume,
    problem: `no step was saved there yet${holder === undefined ? '' : `, and it is being written by ${holder}`}`,
    fix:
      holder === undefined
        ? `start again with ${config}${option('out')} ${resume}`
        : 'wait until it has saved one and has ended',
  });
}

/** The notes of a run; what would make it another run is refused. */
function goOnWith(resume: string, given: TrainSettings): RunManifest {
  const before = readRun(resume);
  const fix = `leave it out, or start a new run from its weights with ${option('model')} ${resume}`;
  for (const key of ['model', 'set'] as const)
    if (given[key] !== undefined && given[key] !== resume) refuse(key, `the run in ${resume} has its own model`, fix);
  if (before.run.objective === 'dpo' && given.dataChanged)
    refuse('dataChanged', `the reference of the run in ${resume} is known for its own pairs alone`, fix);
  for (const key of [
    'objective',
    'beta',
    'seed',
    'seqLen',
    'globalBatch',
    'precision',
    'pack',
    'heldOut',
    'mix',
  ] as const)
    if (given[key] !== undefined && `${given[key]}` !== `${before.run[key]}`)
      refuse(
        key,
        `${given[key]} is not ${before.run[key] === undefined ? 'what it was' : `the ${before.run[key]}`} in the run in ${resume}`,
        fix,
      );
  return before;
}

export interface Steps {
  readonly run: RunSettings;
  readonly stepsDone: number;
  /** What a person should know before the run starts. */
  readonly notes: readonly string[];
}

/** The steps of the run and the schedule of its learning rate; `sequences`: how those of each source are used. */
export function decideSteps({ given, before, run }: Settled, sequences: readonly SourceSequences[]): Steps {
  if (given.steps !== undefined && given.epochs !== undefined)
    refuse('epochs', `${option('steps')} says already how long the run is`, 'give one of the two');
  const byEpochs = given.epochs === undefined ? undefined : stepsFor(given.epochs, sequences, run.globalBatch);
  const steps = given.steps ?? byEpochs ?? before?.run.steps ?? trainDefaults.steps;
  const stepsDone = before?.step ?? 0;
  if (stepsDone >= steps)
    refuse(
      'steps',
      `the run in ${given.resume} has done ${stepsDone} steps, and ${steps} are asked for in all`,
      `use ${option('steps')} ${stepsDone + 1} or more`,
    );
  const decaySteps = given.decaySteps ?? before?.run.decaySteps ?? steps;
  const warmupSteps = given.warmupSteps ?? before?.run.warmupSteps ?? defaultWarmup(decaySteps);
  return {
    run: { ...run, steps, decaySteps, warmupSteps },
    stepsDone,
    notes: [
      ...(before ? changesOf(before.run, { ...run, steps, decaySteps, warmupSteps }) : []),
      ...scheduleNotes(run.learningRate, { steps, decaySteps, warmupSteps }),
    ],
  };
}

/** The steps of so many epochs of the data's sequences. */
function stepsFor(epochs: number, sources: readonly SourceSequences[], globalBatch: number): number {
  const steps = stepsForEpochs(sources, epochs, globalBatch);
  if (steps > mostSteps)
    refuse('epochs', `${epochs} are ${steps} steps, and a run has at most ${mostSteps}`, 'use fewer');
  return steps;
}

/** What of a schedule may not be meant. */
function scheduleNotes(
  learningRate: number,
  { steps, decaySteps, warmupSteps }: Pick<RunSettings, 'steps' | 'decaySteps' | 'warmupSteps'>,
): string[] {
  if (warmupSteps > steps)
    return [`the rate does not reach ${learningRate}: its warm-up of ${warmupSteps} steps is longer than the run`];
  if (warmupSteps > decaySteps)
    return [
      `the rate falls at once from its highest to its lowest: its warm-up (${warmupSteps} steps) ends after its decay (${option('decaySteps')} ${decaySteps})`,
    ];
  return [];
}

/** How a run that goes on differs from what it was. */
function changesOf(before: RunSettings, run: RunSettings): string[] {
  const keys = [
    'learningRate',
    'minLearningRate',
    'warmupSteps',
    'decaySteps',
    'betas',
    'epsilon',
    'weightDecay',
    'clipNorm',
    'microBatch',
  ] as const;
  const changed = keys
    .filter((key) => `${before[key]}` !== `${run[key]}`)
    .map((key) => `${option(key)} is ${run[key]} from here on; it was ${before[key]}`);
  const past = run.steps - run.decaySteps;
  if (run.steps <= before.steps || past <= 0) return changed;
  return [
    ...changed,
    `the run was planned for ${before.steps} steps; from step ${run.decaySteps} on its rate stays at ${run.minLearningRate} (${option('decaySteps')} ${run.steps} would stretch the schedule instead)`,
  ];
}
