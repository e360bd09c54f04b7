// Everything a training run can be told, in one table: the command line, run.json, the library and a checkpoint's notes all use it.
import { z } from 'zod';
import { list, oneOf, real, ruled, text, toggle, whole } from '../settings.ts';

export const objectives = ['next-token', 'dpo'] as const;

export const routings = ['tokens', 'experts'] as const;

/** A run's settings when all is decided: what is saved with its checkpoints and written to its run.json. */
export interface RunSettings {
  /** What is learned: to predict the next token of a text, or (dpo) to prefer one completion of a prompt to another. */
  readonly objective: (typeof objectives)[number];
  /** Of dpo: how much a departure from the reference, the weights that the run starts from, counts. */
  readonly beta?: number | undefined;
  /** Of mixtures of experts: what the loss counts that keeps their use even (`judge` of model/router.ts); 0: nothing. */
  readonly auxLoss: number;
  /** The same of the loss that keeps routers' logits small. */
  readonly zLoss: number;
  /**
   * Of mixtures: by how much every step moves biases that count where experts are chosen, towards even use; 0: there are none, or those
   * of the checkpoint stay as they are.
   */
  readonly biasRate: number;
  /** Of mixtures: an expert takes so many times its even share of a sequence's slots at most; all without it. */
  readonly capacity?: number | undefined;
  /** Of mixtures: whether tokens choose their experts, or experts their tokens. */
  readonly routing: (typeof routings)[number];
  /** A preset, a config.json or a checkpoint directory. */
  readonly model: string;
  /** Changes to the model's config.json, such as `hidden_size=384`. */
  readonly set: readonly string[];
  /** Text, .jsonl and token files, and folders of them; of dpo .jsonl files of pairs. */
  readonly data: readonly string[];
  /** How much of the training comes from each path of `data`: weights, of which only the ratios count. */
  readonly mix?: readonly number[] | undefined;
  /**
   * Sequences hold whole documents, which do not attend to one another, in place of one endless text; `balanced`: and those of a step
   * cost alike, and are dealt out to ranks by what their attention costs, not by their number of tokens.
   */
  readonly pack: boolean | 'balanced';
  /** Sequences kept from training, to measure the loss on: a share below 1, or a number of them. */
  readonly heldOut: number;
  /** A tokenizer.json; bytes are tokens without one. */
  readonly tokenizer?: string | undefined;
  /** Such as `tp=2,pp=2`. */
  readonly layout: string;
  /**
   * How fast each rank computes, of which only the ratios count, or `measure`: stages get layers and replicas microbatches accordingly, where
   * the layout does not say how many layers.
   */
  readonly speeds?: readonly number[] | 'measure' | undefined;
  /** Optimizer steps of the whole run. */
  readonly steps: number;
  /** Tokens of a sequence; of dpo, of a prompt with its completion. */
  readonly seqLen: number;
  /** Sequences of a step; of dpo each is a pair of completions, or with `pack` several. */
  readonly globalBatch: number;
  /** Sequences a data-parallel rank works on at a time. */
  readonly microBatch: number;
  /** The highest, at the end of the warm-up. */
  readonly learningRate: number;
  /** Where the cosine ends. */
  readonly minLearningRate: number;
  readonly warmupSteps: number;
  /** The step at which the cosine reaches the lowest rate, which holds from then on. */
  readonly decaySteps: number;
  /** AdamW's, of the first and the second moment. */
  readonly betas: readonly [number, number];
  readonly epsilon: number;
  /** Of matrices only. */
  readonly weightDecay: number;
  /** The gradients' largest global norm; 0: any. */
  readonly clipNorm: number;
  /** Decides initial weights, the order of the data and samples: a whole number below 2^21. */
  readonly seed: number;
  /** Steps that replicas (the ranks of dp) take each for itself before they are brought together; 1: gradients are summed at every step. */
  readonly syncEvery: number;
  /** Of the step that brings them together, SGD with Nesterov momentum. */
  readonly outerLearningRate?: number | undefined;
  readonly outerMomentum?: number | undefined;
  readonly precision: 'f32' | 'f64';
  /** Measure the loss on the held-out data after every so many steps, and after the last. */
  readonly evalEvery?: number | undefined;
  /** At most so many held-out sequences are measured. */
  readonly evalSequences: number;
  /** Write a sample of text after every so many steps, and after the last. */
  readonly sampleEvery?: number | undefined;
  readonly samplePrompt: string;
  /** Save after every so many steps, not only after the last. */
  readonly saveEvery?: number | undefined;
  /** Checkpoints kept, the newest included. */
  readonly keep: number;
  /** What saved weights are stored as, the run's precision by default. A run goes on exactly from rounded ones, too. */
  readonly weightsType?: 'bf16' | 'f32' | 'f64' | undefined;
}

/** What a run can be told; whatever is left out is that of the run gone on with, or a default. */
export type TrainSettings = { readonly [K in keyof RunSettings]?: RunSettings[K] | undefined } & {
  /** In place of `steps`: how often the data are seen. */
  readonly epochs?: number | undefined;
  /** The directory for checkpoints, run.json and metrics.jsonl. */
  readonly out?: string | undefined;
  /** The directory of a run to go on with; it is saved there too without `out`. */
  readonly resume?: string | undefined;
  /** Lets a resumed run go on with other data than it was started with. */
  readonly dataChanged?: boolean | undefined;
  /** How often ranks that are lost may be started again, to go on from the last checkpoint; the same call then goes on with a killed run. */
  readonly restart?: number | undefined;
  /** A file for a Chrome / Perfetto trace. */
  readonly trace?: string | undefined;
  /** How long nothing that a rank waits for may move, in seconds. */
  readonly timeoutSeconds?: number | undefined;
};

/** Of a run. */
export const mostSteps = 1_000_000_000;
const mostSequences = 1_000_000;
const mostTokens = 16_777_216;
const decay = z.number().min(0).lt(1);

/**
 * A schema for every key of settings, and for no other.
 * @internal
 */
type FieldsOf<S> = { readonly [K in keyof S]-?: z.ZodType<NonNullable<S[K]>> };

/** @internal The published types need none of zod's. */
export const runFields = {
  objective: oneOf(...objectives),
  beta: real({ above: 0, most: 1e6 }, 0.1),
  auxLoss: real({ least: 0, most: 1e6 }, 0.01),
  zLoss: real({ least: 0, most: 1e6 }, 0.001),
  biasRate: real({ least: 0, most: 1e6 }, 0.001),
  capacity: real({ above: 0, most: 1e6 }, 1.25),
  routing: oneOf(...routings),
  model: text('a preset, a config.json or a checkpoint directory'),
  set: z.array(z.string()).meta({ rule: 'a list of changes to the model, such as hidden_size=384' }),
  data: list(z.string().min(1), 'a list of files and folders'),
  mix: list(z.number().positive().max(1e9), 'a list of numbers above 0, one for each path of the data', '0.7,0.3'),
  pack: ruled(z.union([z.boolean(), z.literal('balanced')]), 'true, false or balanced'),
  heldOut: real({ least: 0, most: 1e9 }, 0.05),
  tokenizer: text('a tokenizer.json'),
  layout: text('a layout such as tp=2,pp=2'),
  speeds: ruled(
    z.union([z.literal('measure'), z.array(z.number().min(1e-9).max(1e9)).min(1)]),
    'a list of numbers above 0, one for each rank, or measure',
    '1,0.5',
  ),
  steps: whole(1, mostSteps, 100),
  seqLen: whole(1, mostTokens, 256),
  globalBatch: whole(1, mostSequences, 8),
  microBatch: whole(1, mostSequences),
  learningRate: real({ above: 0 }, 1e-3),
  minLearningRate: real({ least: 0 }, 1e-4),
  warmupSteps: whole(0, mostSteps, 10),
  decaySteps: whole(1, mostSteps, 100),
  betas: z.tuple([decay, decay]).meta({ rule: 'two numbers of at least 0 and below 1', example: '0.9,0.95' }),
  epsilon: real({ above: 0 }, 1e-8),
  weightDecay: real({ least: 0 }, 0.1),
  clipNorm: real({ least: 0 }, 1),
  seed: whole(0, 2 ** 21 - 1),
  syncEvery: whole(1, mostSteps, 10),
  outerLearningRate: real({ above: 0 }, 0.7),
  outerMomentum: decay.meta({ rule: 'a number of at least 0 and below 1', example: '0.9' }),
  precision: oneOf('f32', 'f64'),
  evalEvery: whole(1, mostSteps, 50),
  evalSequences: whole(1, mostSequences, 64),
  sampleEvery: whole(1, mostSteps, 50),
  samplePrompt: text('some text'),
  saveEvery: whole(1, mostSteps, 100),
  keep: whole(1, 10_000, 3),
  weightsType: oneOf('bf16', 'f32', 'f64'),
} as const satisfies FieldsOf<RunSettings>;

/** @internal */
export const trainFields = {
  ...runFields,
  epochs: real({ above: 0, most: 1e6 }, 1),
  out: text('a directory'),
  resume: text('the directory of a run'),
  dataChanged: toggle,
  restart: whole(0, 10_000, 3),
  trace: text('a file'),
  timeoutSeconds: real({ above: 0, most: 1e6 }, 300),
} as const satisfies FieldsOf<TrainSettings>;

export const trainDefaults = {
  objective: 'next-token',
  beta: 0.1,
  auxLoss: 0,
  zLoss: 0,
  biasRate: 0,
  routing: 'tokens',
  model: 'llama-small',
  layout: 'auto',
  steps: 100,
  seqLen: 256,
  globalBatch: 8,
  learningRate: 1e-3,
  /** Of dpo, which starts from weights that are trained already. */
  dpoLearningRate: 1e-6,
  betas: [0.9, 0.95],
  epsilon: 1e-8,
  weightDecay: 0.1,
  clipNorm: 1,
  seed: 0,
  syncEvery: 1,
  outerLearningRate: 0.7,
  outerMomentum: 0.9,
  precision: 'f32',
  pack: false,
  heldOut: 0,
  /** When `evalEvery` asks for a held-out share and none is given. */
  heldOutForEvaluation: 0.05,
  evalSequences: 64,
  samplePrompt: '\n',
  keep: 1,
  timeoutSeconds: 300,
} as const satisfies Record<string, unknown>;

/** @internal */
export const runSchema: z.ZodType<RunSettings> = z.strictObject({
  ...runFields,
  mix: runFields.mix.optional(),
  speeds: runFields.speeds.optional(),
  // Runs that were saved before there was a choice had none.
  objective: runFields.objective.default(trainDefaults.objective),
  beta: runFields.beta.optional(),
  auxLoss: runFields.auxLoss.default(trainDefaults.auxLoss),
  zLoss: runFields.zLoss.default(trainDefaults.zLoss),
  biasRate: runFields.biasRate.default(trainDefaults.biasRate),
  capacity: runFields.capacity.optional(),
  routing: runFields.routing.default(trainDefaults.routing),
  pack: runFields.pack.default(trainDefaults.pack),
  syncEvery: runFields.syncEvery.default(trainDefaults.syncEvery),
  outerLearningRate: runFields.outerLearningRate.optional(),
  outerMomentum: runFields.outerMomentum.optional(),
  tokenizer: runFields.tokenizer.optional(),
  evalEvery: runFields.evalEvery.optional(),
  sampleEvery: runFields.sampleEvery.optional(),
  saveEvery: runFields.saveEvery.optional(),
  weightsType: runFields.weightsType.optional(),
});
