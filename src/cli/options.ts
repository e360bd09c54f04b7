// Every option of every command in one table: how it is written and what it means. Help is made from it; what it may be stands with
// the setting it gives.
import { type Command, Option } from 'commander';
import { z } from 'zod';
import { fail, option } from '../errors.ts';
import { maxBytes, readJson } from '../files/json-file.ts';
import { generateFields } from '../generate/options.ts';
import { servingObjectives } from '../plan/deployments/objective.ts';
import { parseCount, parseSeconds } from '../plan/quantities.ts';
import { objectiveNames } from '../plan/search/objective.ts';
import { engineNames } from '../plan/serving/engines.ts';
import type { Speculation } from '../plan/serving/scenario.ts';
import { parseSpeculation } from '../plan/serving/speculation.ts';
import { softwareNames, switchNames } from '../plan/software/parse-software.ts';
import { checkSettings, type Fields, oneOf, real, ruled, text, toggle, whole } from '../settings.ts';
import { trainFields } from '../train/settings.ts';
import { servedCaches, servedWeights, trainingProducts } from './check-format.ts';
import { scaledAxes } from './scaling.ts';

/** Settings of commands other than training. */
const commandFields = {
  prompt: z.string(),
  config: text('a run.json'),
  cluster: text('a cluster, such as 8xh100, or a JSON file'),
  products: oneOf(...new Set([...trainingProducts, ...servedWeights])),
  software: text('a framework, such as nemo'),
  least: oneOf(...new Set([...objectiveNames, ...servingObjectives])),
  offload: text('what the host keeps'),
  top: whole(1, 100, 5),
  train: toggle,
  serve: toggle,
  tokens: ruled(z.number().positive().max(1e18), 'how many, such as 15T', '15T'),
  deadline: ruled(z.number().positive().max(1e11), 'a time, such as 90d', '90d'),
  inputTokens: whole(1, 2 ** 24, 2048),
  outputTokens: whole(1, 2 ** 24, 512),
  concurrency: whole(1, 2 ** 20, 64),
  rate: real({ above: 0, most: 1e6 }, 10),
  ttft: ruled(z.number().positive().max(1e6), 'a time, such as 2s', '2s'),
  tpot: ruled(z.number().positive().max(1e6), 'a time, such as 50ms', '50ms'),
  cache: oneOf(...servedCaches),
  engine: oneOf(...engineNames),
  speculate: ruled(
    z.custom<Speculation>((value) => typeof value === 'object'),
    'tokens of a draft, from 1 to 64, and the share of them that is right, from 0 to 1',
    '3:0.7',
  ),
  claim: text('a sentence, such as "8M tokens/s on 1024 H100"'),
  local: toggle,
  machine: text('a file, such as machine.json'),
  microbatches: whole(1, 2 ** 16, 8),
  report: text('a file, such as plan.html'),
  axis: oneOf(...scaledAxes),
  maxRanks: whole(1, 256, 2),
  repeats: whole(1, 1000, 3),
  seconds: whole(1, 1_000_000, 90),
  weak: toggle,
  json: toggle,
  debug: toggle,
} as const satisfies Fields;

const fields = { ...generateFields, ...trainFields, ...commandFields };
type AllFields = typeof fields;
export type OptionName = keyof AllFields;

/** What the words after an option become. */
type Reading =
  | 'text'
  | 'texts'
  | 'number'
  | 'numbers'
  | 'word or numbers'
  | 'count'
  | 'time'
  | 'speculation'
  | 'switch';

interface OptionSpec {
  /** As help shows the value: `<n>`. */
  readonly value: string;
  readonly reading: Reading;
  readonly help: string;
}

const textOption = (value: string, help: string): OptionSpec => ({ value, help, reading: 'text' });
const textsOption = (value: string, help: string): OptionSpec => ({ value, help, reading: 'texts' });
const numberOption = (value: string, help: string): OptionSpec => ({ value, help, reading: 'number' });
const numbersOption = (value: string, help: string): OptionSpec => ({ value, help, reading: 'numbers' });
const countOption = (value: string, help: string): OptionSpec => ({ value, help, reading: 'count' });
const timeOption = (value: string, help: string): OptionSpec => ({ value, help, reading: 'time' });
const switchOption = (help: string): OptionSpec => ({ value: '', help, reading: 'switch' });

/** By the setting it gives: `seqLen` is written `--seq-len`, see {@link flagOf}. */
const optionTable: Readonly<Record<OptionName, OptionSpec>> = {
  model: textOption('<name>', 'the name of a model, a config.json, or a checkpoint directory'),
  set: textsOption('<changes...>', "changes to the model's config.json, such as hidden_size=384"),
  objective: textOption('<name>', 'next-token, or dpo: direct preference optimization of pairs of completions'),
  beta: numberOption('<x>', 'of dpo: how much a departure from the starting weights counts'),
  auxLoss: numberOption('<x>', "of mixtures of experts: what the loss that keeps experts' use even counts"),
  zLoss: numberOption('<x>', "of mixtures of experts: what the loss that keeps routers' logits small counts"),
  biasRate: numberOption(
    '<x>',
    'of mixtures of experts: by how much each step moves the biases by which experts are chosen',
  ),
  capacity: numberOption(
    '<x>',
    "of mixtures of experts: an expert takes so many times its even share of a sequence's slots, the rest are dropped",
  ),
  routing: textOption('<name>', 'of mixtures of experts: tokens choose their experts, or experts their tokens'),
  data: textsOption('<files...>', 'text, .jsonl, .u16.bin or .i32.bin files, or folders of them'),
  mix: numbersOption('<weights>', 'how much of the training comes from each path of --data, such as 0.7,0.3'),
  pack: {
    value: '[how]',
    reading: 'text',
    help: 'fill sequences with whole documents, which do not attend to one another; balanced: and make steps of sequences whose attention costs alike, dealt out to ranks by that cost',
  },
  heldOut: numberOption('<share>', 'share (or number) of sequences kept from training, to measure the loss on'),
  dataChanged: switchOption('go on with other data than the run was started with'),
  layout: textOption('<text>', 'how the ranks are laid out, such as tp=2,pp=2,dp=2,sp,schedule=gpipe, or auto'),
  speeds: {
    value: '<speeds>',
    reading: 'word or numbers',
    help: 'how fast each rank computes, such as 1,1,0.5, or measure: stages get layers and replicas microbatches accordingly',
  },
  steps: numberOption('<n>', 'optimizer steps of the whole run'),
  epochs: numberOption('<x>', 'in place of --steps: how often the data are seen'),
  seqLen: numberOption('<n>', 'tokens of a sequence'),
  globalBatch: numberOption('<n>', 'sequences of a step'),
  microBatch: numberOption('<n>', 'sequences a data-parallel rank works on at a time'),
  learningRate: numberOption('<x>', 'peak learning rate; a warm-up leads to it, a cosine from it'),
  minLearningRate: numberOption('<x>', 'where the cosine ends'),
  warmupSteps: numberOption('<n>', 'steps of the warm-up'),
  decaySteps: numberOption('<n>', 'the step at which the cosine ends'),
  betas: numbersOption('<b1,b2>', "AdamW's decay of its two moments"),
  epsilon: numberOption('<x>', "AdamW's epsilon"),
  weightDecay: numberOption('<x>', 'weight decay of matrices'),
  clipNorm: numberOption('<x>', "the gradients' largest global norm, 0 for any"),
  syncEvery: numberOption('<n>', 'bring replicas (dp) together every n steps; between, each trains by itself (DiLoCo)'),
  outerLearningRate: numberOption('<x>', 'learning rate of the step that brings replicas together'),
  outerMomentum: numberOption('<x>', 'its Nesterov momentum'),
  seed: numberOption('<n>', 'decides initial weights, the order of the data and sampling'),
  precision: textOption('<name>', 'f32, or f64 to compare layouts to the last digits'),
  evalEvery: numberOption('<n>', 'measure the loss on the held-out data after every n steps'),
  evalSequences: numberOption('<n>', 'held-out sequences to measure, at most'),
  sampleEvery: numberOption('<n>', 'write a sample of text after every n steps'),
  samplePrompt: textOption('<text>', 'what the samples go on with'),
  out: textOption('<dir>', 'where checkpoints go; it must hold no other run'),
  resume: textOption('<dir>', 'go on with the run saved there, in any layout; it is saved there too without --out'),
  saveEvery: numberOption('<n>', 'also save after every n steps, not only at the end'),
  restart: numberOption('<n>', 'go on from the last checkpoint when a rank is lost, at most n times'),
  keep: numberOption('<n>', 'checkpoints to keep, the newest included'),
  weightsType: textOption('<name>', 'what saved weights are stored as: bf16, f32 or f64'),
  config: textOption('<file>', "settings as a run's run.json has them; options given beside it win"),
  tokenizer: textOption('<path>', 'a Hugging Face tokenizer.json'),
  trace: textOption('<file>', 'write what every rank did when, for ui.perfetto.dev'),
  timeoutSeconds: numberOption('<seconds>', 'how long a rank may wait for others that do not move'),
  prompt: textOption('<text>', 'the text to go on with; - reads it from stdin'),
  maxTokens: numberOption('<n>', 'tokens to generate'),
  temperature: numberOption('<t>', 'how freely to choose: 0 always takes the likeliest token'),
  topK: numberOption('<k>', 'choose from the k likeliest tokens'),
  topP: numberOption('<p>', 'choose from the likeliest tokens that together have this probability'),
  minP: numberOption('<p>', 'choose from the tokens at least this share as likely as the likeliest'),
  stop: textsOption('<text...>', 'end before any of these texts'),
  stopToken: numberOption('<id>', 'end before this token'),
  cluster: textOption(
    '<name>',
    'devices and how they are joined: 1024xh100, 384xa100@omni-path, local (this machine, once calibrated), or a JSON file',
  ),
  products: textOption(
    '<name>',
    `what products are taken in: ${trainingProducts.join(', ')}; of serving, what weights are: ${servedWeights.join(', ')}`,
  ),
  software: textOption(
    '<name>',
    `whose software trains: ${softwareNames.join(', ')}; and what is on or off in it, such as torchtitan,compile: ${switchNames.join(', ')}`,
  ),
  least: textOption(
    '<name>',
    `what makes a layout the best: ${objectiveNames.join(', ')}; of serving ${servingObjectives.join(', ')}`,
  ),
  offload: textOption(
    '<what>',
    "what waits in the host's memory: none, optimizer, activations, or both, with a share: optimizer,activations=0.5",
  ),
  top: numberOption('<n>', 'layouts to show'),
  train: switchOption('of training'),
  serve: switchOption('of serving'),
  tokens: countOption('<n>', 'tokens of the whole training, such as 15T: how long it takes, and what it costs'),
  deadline: timeOption('<time>', 'find the fewest devices that train on --tokens in this time, such as 90d'),
  inputTokens: numberOption('<n>', 'of serving: tokens of a prompt'),
  outputTokens: numberOption('<n>', 'of serving: tokens of an answer'),
  concurrency: numberOption('<n>', 'of serving: requests under way, over all devices'),
  rate: numberOption('<n>', 'of serving: requests a second, coming at random'),
  ttft: timeOption('<time>', 'of serving: the target for the first token, such as 2s'),
  tpot: timeOption('<time>', 'of serving: the target for each token after it, such as 50ms'),
  cache: textOption('<name>', `of serving: what keys and values are kept in: ${servedCaches.join(' or ')}`),
  engine: textOption('<name>', `of serving: ${engineNames.join(', ')}`),
  speculate: {
    value: '<n:share>',
    reading: 'speculation',
    help: 'of serving: every iteration checks n drafted tokens, each right with this probability if those before it are, such as 3:0.7',
  },
  claim: textOption('<sentence>', 'judge what somebody says, such as "8M tokens/s on 1024 H100"'),
  local: switchOption('measure this machine'),
  machine: textOption('<file>', 'where what was measured is kept'),
  report: textOption('<file>', 'also write a page of pictures, to be opened in a browser'),
  microbatches: numberOption('<n>', 'microbatches of a step'),
  axis: textOption('<name>', 'scale this axis alone: dp, tp, cp, ep or pp; with pp schedules are compared and drawn'),
  maxRanks: numberOption('<n>', 'ranks of the largest run'),
  repeats: numberOption('<n>', 'times that every layout runs, in turn'),
  seconds: numberOption('<n>', 'how long the whole command takes'),
  weak: switchOption('give every rank as much work as one has: the batch grows with dp'),
  json: switchOption('print one JSON object a line and nothing else'),
  debug: switchOption('print the stack of an error'),
};

/** Settings whose flag is not their key with dashes. */
const shortFlags: Readonly<Record<string, string>> = {
  learningRate: '--lr',
  minLearningRate: '--min-lr',
  warmupSteps: '--warmup',
  clipNorm: '--clip',
  outerLearningRate: '--outer-lr',
  timeoutSeconds: '--timeout',
  products: '--precision',
  machine: '--out',
  least: '--objective',
};

/** How the command line spells a setting: `seqLen` is `--seq-len`. */
export const flagOf = (key: string): string =>
  shortFlags[key] ?? `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

type ValueOf<F> = F extends { readonly _zod: { readonly output: infer T } } ? T : never;

/** What was given on the command line; an option that was not is undefined. */
export type OptionValues<K extends OptionName> = { readonly [name in K]?: ValueOf<AllFields[name]> };

/** A decimal number; anything else stays text, for its setting to refuse. */
const numberOf = (word: string): number | string =>
  /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(word.trim()) ? Number(word) : word;

function readingOf(reading: Reading, word: string, before: unknown): unknown {
  switch (reading) {
    case 'number':
      return numberOf(word);
    case 'numbers':
      return word.split(',').map(numberOf);
    case 'word or numbers':
      return /^[a-z]+$/i.test(word.trim()) ? word.trim() : word.split(',').map(numberOf);
    case 'count':
      return parseCount(word) ?? word;
    case 'time':
      return parseSeconds(word) ?? word;
    case 'speculation':
      return parseSpeculation(word) ?? word;
    case 'texts':
      return [...((before as readonly string[] | undefined) ?? []), word];
    default:
      return word;
  }
}

/** Adds options to a command, each with the default its help shows, and returns how to read them. */
export function addOptions<const K extends OptionName>(
  command: Command,
  names: Readonly<Record<K, string>>,
): () => OptionValues<K> {
  const keys = Object.keys(names) as K[];
  for (const key of keys) {
    const { value, reading, help } = optionTable[key];
    const shown: string = names[key];
    const flags = `${flagOf(key)} ${value}`.trim();
    const added = new Option(flags, shown ? `${help} (${shown})` : help);
    if (reading !== 'switch')
      added.argParser((word: string, before: unknown) => {
        const read = readingOf(reading, word, before);
        checkSettings(fields, { [key]: read });
        return read;
      });
    command.addOption(added);
  }
  return () =>
    Object.fromEntries(keys.map((key) => [key, command.getOptionValue(attributeOf(key))])) as OptionValues<K>;
}

/** What commander calls the value of an option. */
const attributeOf = (key: string): string => new Option(flagOf(key)).attributeName();

/** The settings in a file such as a run's run.json; what they may be is checked where they are used. */
export function readConfig(path: string): Readonly<Record<string, unknown>> {
  const invalid = (problem: string): never =>
    fail('OPTION_INVALID', {
      option: `${option('config')} ${path}`,
      problem,
      fix: 'give the run.json of a run, or a JSON object of settings',
    });
  const value = readJson(path, maxBytes.config, ({ problem }) => invalid(problem));
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return invalid('it is no JSON object');
  return value as Readonly<Record<string, unknown>>;
}
