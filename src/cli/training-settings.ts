// From `train`'s options, and the notes of the run it goes on with, to settings: everything is checked, nothing is written.
import { accessSync, constants, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname } from 'node:path';
import { readManifest } from '../checkpoint/commit.ts';
import { openOptimizer } from '../checkpoint/hf-directory.ts';
import type { Manifest } from '../checkpoint/index-file.ts';
import { findModel } from '../checkpoint/model-source.ts';
import { checkOut } from '../checkpoint/out-directory.ts';
import { loadTokenizer, type Tokenizer } from '../data/tokenizer.ts';
import { fail, option } from '../errors.ts';
import { type Layout, parseLayout } from '../mesh/layout.ts';
import { checkFit } from '../model/fit.ts';
import { availableMemory } from '../runtime/available-memory.ts';
import { autoLayout, defaultMicroBatch } from '../train/auto-layout.ts';
import type { TrainOptions } from '../train/train.ts';
import type { OptionValues } from './options.ts';

export const trainDefaults = {
  model: 'llama-small',
  layout: 'auto',
  steps: 100,
  seqLen: 256,
  globalBatch: 8,
  lr: 1e-3,
  seed: 0,
  precision: 'f32',
} as const;

export type TrainingValues = OptionValues<
  | 'model'
  | 'data'
  | 'layout'
  | 'steps'
  | 'seqLen'
  | 'globalBatch'
  | 'microBatch'
  | 'lr'
  | 'seed'
  | 'precision'
  | 'out'
  | 'resume'
  | 'saveEvery'
  | 'tokenizer'
  | 'trace'
  | 'timeout'
>;

/** All but the tokens, which take time to prepare. */
export interface TrainingSettings {
  readonly options: Omit<TrainOptions, 'tokenFile'>;
  readonly tokenizer: Tokenizer;
  readonly data: readonly string[];
  /** Steps done before this run. */
  readonly stepsDone: number;
}

export function trainingSettings(values: TrainingValues): TrainingSettings {
  const { data, resume } = values;
  if (data === undefined)
    fail('OPTION_INVALID', {
      option: option('data'),
      problem: 'it is missing',
      fix: resume ? 'give the files that the run was started with' : 'give text files or folders to train on',
    });
  const before = resume === undefined ? undefined : readRun(resume, values);
  const noted = (key: string): unknown => before?.[key];
  const model = findModel(values.resume ?? values.model ?? trainDefaults.model);
  const steps = values.steps ?? number(noted('steps')) ?? trainDefaults.steps;
  const seqLen = number(noted('seqLen')) ?? values.seqLen ?? Math.min(trainDefaults.seqLen, model.config.positions.max);
  const globalBatch = number(noted('globalBatch')) ?? values.globalBatch ?? trainDefaults.globalBatch;
  const precision = (noted('precision') === 'f64' ? 'f64' : values.precision) ?? trainDefaults.precision;
  const layout = chooseLayout(values.layout ?? text(noted('layout')) ?? trainDefaults.layout, (cores, memoryBytes) =>
    autoLayout({
      config: model.config,
      seqLen,
      globalBatch,
      precision,
      cores,
      memoryBytes,
      ...(values.microBatch === undefined ? {} : { microBatch: values.microBatch }),
    }),
  );
  const microBatch = values.microBatch ?? number(noted('microBatch')) ?? defaultMicroBatch(globalBatch, layout);
  checkFit(model.config, layout, { seqLen, globalBatch, microBatch });

  const stepsDone = number(noted('step')) ?? 0;
  if (stepsDone >= steps)
    fail('OPTION_INVALID', {
      option: option('steps'),
      problem: `the run in ${resume} has done ${stepsDone} steps, and ${steps} are asked for in all`,
      fix: `use ${option('steps')} ${stepsDone + 1} or more`,
    });
  const out = values.out ?? resume;
  if (out !== undefined) checkOut(out, { resume });
  else if (values.saveEvery !== undefined)
    fail('OPTION_INVALID', {
      option: option('saveEvery'),
      problem: 'there is nowhere to save to',
      fix: `add ${option('out')} <dir>`,
    });
  if (values.trace !== undefined) checkTrace(values.trace);
  const tokenizerPath = values.tokenizer ?? model.tokenizerPath;
  return {
    data,
    stepsDone,
    tokenizer: loadTokenizer(tokenizerPath),
    options: {
      model,
      layout,
      precision,
      seqLen,
      globalBatch,
      microBatch,
      steps,
      learningRate: values.lr ?? number(noted('learningRate')) ?? trainDefaults.lr,
      seed: number(noted('seed')) ?? values.seed ?? trainDefaults.seed,
      ...(out === undefined ? {} : { out }),
      ...(values.saveEvery === undefined ? {} : { saveEvery: values.saveEvery }),
      ...(resume === undefined ? {} : { resume }),
      ...(values.trace === undefined ? {} : { trace: values.trace }),
      ...(tokenizerPath === undefined ? {} : { tokenizerPath }),
      ...(values.timeout === undefined ? {} : { timeoutSeconds: values.timeout }),
    },
  };
}

/** Parses a layout's text, or lets `auto` choose one for the cores and the memory of this machine. */
export function chooseLayout(layout: string, auto: (cores: number, memoryBytes: number) => Layout): Layout {
  return layout === 'auto' ? auto(availableParallelism(), availableMemory()) : parseLayout(layout);
}

/** A trace is written beside its name first, so its folder must take files. */
function checkTrace(path: string): void {
  const folder = dirname(path);
  const problem = statSync(path, { throwIfNoEntry: false })?.isDirectory()
    ? 'it is a folder'
    : statSync(folder, { throwIfNoEntry: false })?.isDirectory()
      ? isWritable(folder)
        ? undefined
        : `${folder} cannot be written to`
      : `there is no folder ${folder}`;
  if (problem !== undefined)
    fail('OPTION_INVALID', {
      option: `${option('trace')} ${path}`,
      problem,
      fix: 'name a file in a folder that exists and can be written',
    });
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** The notes of a run; what would make it another run is refused. */
function readRun(resume: string, values: TrainingValues): Manifest {
  openOptimizer(resume).close();
  const manifest = readManifest(resume);
  if (typeof manifest?.step !== 'number')
    fail('CHECKPOINT_MISMATCH', {
      path: resume,
      problem: 'it does not say at which step it was saved',
      fix: `start a new run from its weights with ${option('model')}`,
    });
  if (values.model !== undefined && values.model !== resume)
    fail('OPTION_INVALID', {
      option: option('model'),
      problem: `the run in ${resume} has its own model`,
      fix: `leave ${option('model')} out, or leave ${option('resume')} out to start a new run`,
    });
  for (const key of ['seed', 'seqLen', 'globalBatch', 'precision'] as const)
    if (values[key] !== undefined && manifest[key] !== undefined && values[key] !== manifest[key])
      fail('OPTION_INVALID', {
        option: option(key),
        problem: `${values[key]} is not the ${manifest[key]} of the run in ${resume}`,
        fix: `leave it out, or start a new run from its weights with ${option('model')} ${resume}`,
      });
  return manifest;
}

const number = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);
const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
