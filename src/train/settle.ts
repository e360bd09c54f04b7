// From what was given to what will be done: every setting gets its value, from the call, the run gone on with, or its default. How ranks
// share the work may depend on what the machine can do: see lay-out.ts.
import { identityOf } from '../checkpoint/hf-directory.ts';
import { findModel, type ModelSource } from '../checkpoint/model-source.ts';
import { loadTokenizer, tokenizerFile } from '../data/tokenizer.ts';
import { option } from '../errors.ts';
import { readScheduleFile } from '../files/schedule-file.ts';
import { parseLayout } from '../mesh/layout.ts';
import { withRouterBias } from '../model/config.ts';
import { refuseDropout } from '../model/keys.ts';
import { refusePlanOnly } from '../model/plan-only.ts';
import { refusePlanned } from '../schedule/schedules.ts';
import { checkPlaces, checkRestart } from './check-places.ts';
import { checkSteps } from './decide-steps.ts';
import { goOnWith, identityOfRun } from './go-on.ts';
import { checkLayout, speedsOf } from './lay-out.ts';
import type { RunManifest } from './manifest.ts';
import { betaOf, checkRouter, routerOf, stepSettings } from './objective.ts';
import { refuse } from './refuse.ts';
import { atMeetings, outerOf, replicasBefore, settleMeeting } from './replicas.ts';
import { type RunSettings, type TrainSettings, trainDefaults } from './settings.ts';
import type { Settled } from './settled.ts';

/** What settling a run may need besides its settings. */
export interface Settling {
  /** The model when it is not named but given. */
  readonly source?: ModelSource | undefined;
  /** Gives the text of the file that a layout names. */
  readonly readSchedule?: typeof readScheduleFile;
}

/**
 * Checks all that can be checked without reading the data or measuring the machine; writes nothing.
 * @throws an error of exit status 2 that names the setting
 */
export function settle(given: TrainSettings, settling: Settling = {}): Settled {
  const { source, readSchedule = readScheduleFile } = settling;
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
  const found = source ?? findModel(resume ?? name, given.set ?? []);
  refusePlanOnly(found.config);
  const weights = resume ?? found.weights;
  const value = <K extends keyof RunSettings & keyof typeof trainDefaults>(key: K): RunSettings[K] =>
    (given[key as keyof TrainSettings] ?? before?.run[key] ?? trainDefaults[key]) as RunSettings[K];

  const objective = value('objective');
  const beta = betaOf(objective, given.beta, before?.run.beta);
  const seqLen = given.seqLen ?? before?.run.seqLen ?? Math.min(trainDefaults.seqLen, found.config.positions.max);
  const globalBatch = value('globalBatch');
  const precision = value('precision');
  const meeting = settleMeeting(given, before);
  const text = value('layout');
  const layout = text === 'auto' ? text : layoutOf(text, given, readSchedule);
  if (layout !== 'auto') refusePlanned(layout);
  const router = routerOf({
    auxLoss: value('auxLoss'),
    zLoss: value('zLoss'),
    biasRate: value('biasRate'),
    capacity: given.capacity ?? before?.run.capacity,
    routing: value('routing'),
  });
  checkRouter(router, found.config);
  const model = router.biasRate > 0 ? { ...found, config: withRouterBias(found.config) } : found;
  const ofStep = {
    ...stepSettings({ objective, beta, seqLen, pack: value('pack'), ...router, routing: value('routing') }, 1),
    ...outerOf(meeting),
  };
  if (!before) refuseDropout(model.config);
  checkPlaces(given);
  const namedTokenizer = given.tokenizer ?? model.tokenizerPath;
  const tokenizerPath = namedTokenizer === undefined ? undefined : tokenizerFile(namedTokenizer);
  checkRestart(given, given.saveEvery ?? before?.run.saveEvery);
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
  const settled: Settled = {
    given,
    ...(before ? { before } : {}),
    model,
    ...(weights === undefined ? {} : { weights: { path: weights, identity: resumed ?? identityOf(weights) } }),
    tokenizer: loadTokenizer(tokenizerPath),
    run: {
      objective,
      ...optional('beta', beta),
      ...router,
      routing: value('routing'),
      model: before?.run.model ?? name,
      set: before?.run.set ?? given.set ?? [],
      data,
      ...optional('mix', mix),
      pack: value('pack'),
      heldOut,
      ...optional('tokenizer', tokenizerPath),
      seqLen,
      globalBatch,
      ...rates,
      betas: value('betas'),
      epsilon: value('epsilon'),
      weightDecay: value('weightDecay'),
      clipNorm: value('clipNorm'),
      seed: value('seed'),
      ...meeting,
      precision,
      ...optional('evalEvery', atMeetings(given.evalEvery ?? before?.run.evalEvery, meeting)),
      evalSequences: value('evalSequences'),
      ...optional('sampleEvery', atMeetings(given.sampleEvery ?? before?.run.sampleEvery, meeting)),
      samplePrompt: value('samplePrompt'),
      ...optional('saveEvery', atMeetings(given.saveEvery ?? before?.run.saveEvery, meeting)),
      keep: value('keep'),
      ...optional('weightsType', given.weightsType ?? before?.run.weightsType),
    },
    asked: {
      layout,
      ...speedsOf(given, before, layout),
      step: {
        ...{ config: model.config, seqLen: ofStep.seqLen, globalBatch, precision, ofStep },
        ...{ microBatch: given.microBatch, replicas: replicasBefore(meeting, before) },
      },
      microBatchBefore: before?.run.microBatch,
    },
  };
  checkSteps(settled);
  checkLayout(settled);
  return settled;
}

/** A file that is gone is named where the run gone on with has it. */
const layoutOf = (text: string, given: TrainSettings, readSchedule: typeof readScheduleFile) =>
  parseLayout(text, given.layout === undefined ? (path) => readSchedule(path, goneFix) : readSchedule);

/** For the schedule of a run gone on with. */
const goneFix = `put it back, or give another ${option('layout')}`;

const optional = <K extends string, T>(key: K, value: T | undefined): { readonly [key in K]?: T } =>
  value === undefined ? {} : ({ [key]: value } as { [key in K]: T });

const missing = (key: string, fix: string): never => refuse(key, 'it is missing', fix);

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
