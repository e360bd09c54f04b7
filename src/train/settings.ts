// Everything a training run can be told, in one table: the command line, run.json, the library and a checkpoint's notes all use it.
import { z } from 'zod';
import { type Given, list, oneOf, real, text, toggle, whole } from '../settings.ts';

const mostSteps = 1_000_000_000;
const mostSequences = 1_000_000;
const mostTokens = 16_777_216;
const beta = z.number().min(0).lt(1);

/** What makes a run the run it is: saved with its checkpoints and written to its run.json. */
export const runFields = {
  model: text('a preset, a config.json or a checkpoint directory'),
  /** Changes to the model's config.json, such as `hidden_size=384`. */
  set: z.array(z.string()).meta({ rule: 'a list of changes to the model, such as hidden_size=384' }),
  data: list(z.string().min(1), 'a list of files and folders'),
  /** How much of the training comes from each path of `data`: weights, of which only the ratios count. */
  mix: list(z.number().positive().max(1e9), 'a list of numbers above 0, one for each path of the data', '0.7,0.3'),
  /** Sequences kept from training, to measure the loss on: a share below 1, or a number of them. */
  heldOut: real({ least: 0, most: 1e9 }, 0.05),
  tokenizer: text('a tokenizer.json'),
  layout: text('a layout such as tp=2,pp=2'),
  /** Optimizer steps of the whole run. */
  steps: whole(1, mostSteps, 100),
  seqLen: whole(1, mostTokens, 256),
  globalBatch: whole(1, mostSequences, 8),
  microBatch: whole(1, mostSequences),
  learningRate: real({ above: 0 }, 1e-3),
  /** Where the cosine ends. */
  minLearningRate: real({ least: 0 }, 1e-4),
  warmupSteps: whole(0, mostSteps, 10),
  /** The step at which the cosine reaches the lowest rate, which holds from then on. */
  decaySteps: whole(1, mostSteps, 100),
  betas: z.tuple([beta, beta]).meta({ rule: 'two numbers of at least 0 and below 1', example: '0.9,0.95' }),
  epsilon: real({ above: 0 }, 1e-8),
  weightDecay: real({ least: 0 }, 0.1),
  /** The gradients' largest global norm; 0: any. */
  clipNorm: real({ least: 0 }, 1),
  seed: whole(0, 2 ** 21 - 1),
  precision: oneOf('f32', 'f64'),
  /** Measure the loss on the held-out data after every so many steps. */
  evalEvery: whole(1, mostSteps, 50),
  /** At most so many held-out sequences are measured. */
  evalSequences: whole(1, mostSequences, 64),
  /** Write a sample of text after every so many steps. */
  sampleEvery: whole(1, mostSteps, 50),
  samplePrompt: text('some text'),
  saveEvery: whole(1, mostSteps, 100),
  /** Checkpoints kept, the newest included. */
  keep: whole(1, 10_000, 3),
  /** What saved weights are stored as, the run's precision by default. A run goes on exactly from rounded ones, too. */
  weightsType: oneOf('bf16', 'f32', 'f64'),
} as const;

/** What a run is told besides: where it writes, and how this part of it goes. */
export const trainFields = {
  ...runFields,
  /** In place of `steps`: how often the data are seen. */
  epochs: real({ above: 0, most: 1e6 }, 1),
  out: text('a directory'),
  resume: text('the directory of a run'),
  /** Lets a resumed run go on with other data than it was started with. */
  dataChanged: toggle,
  trace: text('a file'),
  timeoutSeconds: real({ above: 0, most: 1e6 }, 300),
} as const;

export type TrainSettings = Given<typeof trainFields>;

export const trainDefaults = {
  model: 'llama-small',
  layout: 'auto',
  steps: 100,
  seqLen: 256,
  globalBatch: 8,
  learningRate: 1e-3,
  betas: [0.9, 0.95],
  epsilon: 1e-8,
  weightDecay: 0.1,
  clipNorm: 1,
  seed: 0,
  precision: 'f32',
  heldOut: 0,
  /** When `evalEvery` asks for a held-out share and none is given. */
  heldOutForEvaluation: 0.05,
  evalSequences: 64,
  samplePrompt: '\n',
  keep: 1,
  timeoutSeconds: 300,
} as const satisfies Record<string, unknown>;

/** A run's settings when all is decided: what is saved with it. */
export const runSchema = z.strictObject({
  ...runFields,
  mix: runFields.mix.optional(),
  tokenizer: runFields.tokenizer.optional(),
  evalEvery: runFields.evalEvery.optional(),
  sampleEvery: runFields.sampleEvery.optional(),
  saveEvery: runFields.saveEvery.optional(),
  weightsType: runFields.weightsType.optional(),
});

export type RunSettings = Readonly<z.infer<typeof runSchema>>;
