// What `generate` can be told: the options, their defaults, and the one table that the library and the command line check them with.

import type { AbortSignalLike } from '../abort-signal.ts';
import type { ModelSource } from '../checkpoint/model-source.ts';
import { fail, option } from '../errors.ts';
import { readScheduleFile } from '../files/schedule-file.ts';
import { type Layout, oneRank, parseLayout, printLayout } from '../mesh/layout.ts';
import type { Precision } from '../program/onnx-builder.ts';
import type { WorldPool } from '../runtime/world-pool.ts';
import { callback, callFields, checkSettings, list, oneOf, real, text, whole } from '../settings.ts';
import type { Sampling } from './sampling.ts';

export interface GenerateOptions extends Partial<Sampling> {
  /** A checkpoint directory, or what `findModel` made of one. */
  readonly model: string | ModelSource;
  /** Text for the tokenizer, or token ids; at least one token. Only as many of the last ones as the model has positions are seen. */
  readonly prompt: string | ArrayLike<number>;
  /** Default 100. */
  readonly maxTokens?: number;
  /** Default 0.8. 0: always the likeliest token. */
  readonly temperature?: number;
  /** One or several strings. The text ends before the first of them to be complete. */
  readonly stop?: string | readonly string[];
  /** Ends the text; it is not returned. Default: the tokenizer's end of text after a prompt that is text, none after token ids. */
  readonly stopToken?: number;
  /** Default 0. Every draw depends on it and on the position alone. */
  readonly seed?: number;
  /** Default one rank. tp and pp split the model; a single prompt leaves nothing for dp. */
  readonly layout?: string | Layout;
  /** Default f32. */
  readonly precision?: Precision;
  /** A tokenizer.json; default the model's own, else bytes are tokens. */
  readonly tokenizer?: string;
  /** Default 300: how long a rank may wait for the others, or make no progress. */
  readonly timeoutSeconds?: number;
  /** Every token as it comes, with the text that it completes: '' inside a character, or in what may become a stop string. */
  readonly onToken?: (token: number, text: string) => void;
  /** The text as it comes; the pieces add up to the text of the result. */
  readonly onText?: (text: string) => void;
  readonly pool?: WorldPool;
  readonly signal?: AbortSignalLike;
}

export const generateDefaults = {
  maxTokens: 100,
  temperature: 0.8,
  seed: 0,
  layout: 'tp=1',
  precision: 'f32',
  timeoutSeconds: 300,
} as const;

const share = (example: number) => real({ least: 0, most: 1 }, example);

/** @internal The published types need none of zod's. */
export const generateFields = {
  model: text('a checkpoint directory'),
  maxTokens: whole(1, 1_000_000, generateDefaults.maxTokens),
  temperature: real({ least: 0 }, generateDefaults.temperature),
  topK: whole(1, 100_000_000, 50),
  topP: share(0.9),
  minP: share(0.05),
  stop: list(text('some text'), 'a text, or a list of texts, none of them empty'),
  stopToken: whole(0, 2 ** 31 - 1),
  // Seeds of training and of generating have one limit.
  seed: whole(0, 2 ** 21 - 1),
  layout: text('a layout such as tp=2,pp=2'),
  precision: oneOf('f32', 'f64'),
  tokenizer: text('a tokenizer.json'),
  timeoutSeconds: real({ above: 0, most: 1e6 }, generateDefaults.timeoutSeconds),
} as const;

type Decided = 'maxTokens' | 'temperature' | 'seed' | 'precision' | 'timeoutSeconds';

/** The options when all is decided. */
export interface GenerateSettings
  extends Pick<GenerateOptions, 'topK' | 'topP' | 'minP' | 'stopToken' | 'tokenizer'>,
    Pick<Required<GenerateOptions>, Decided> {
  readonly model: string | ModelSource;
  readonly prompt: string | ArrayLike<number>;
  readonly stop: readonly string[];
  readonly layout: Layout;
}

const hooks = { ...callFields, onToken: callback, onText: callback };

/** The options with their defaults; OPTION_INVALID names the one that is wrong, LAYOUT_* what is wrong with a layout's text. */
export function parseGenerateOptions(options: GenerateOptions): GenerateSettings {
  if (!isObject(options)) return missing('prompt', "call it with { model: 'runs/notes', prompt: 'Once' }");
  const { model, prompt, stop, layout, onToken, onText, pool, signal, ...rest } = options;
  checkSettings(hooks, { model, layout, onToken, onText, pool, signal });
  const given = checkSettings(generateFields, {
    ...rest,
    model: isObject(model) ? undefined : model,
    stop: typeof stop === 'string' ? [stop] : stop,
    layout: isObject(layout) ? printLayout(layout) : layout,
  });
  const text = given.layout ?? generateDefaults.layout;
  return {
    ...generateDefaults,
    ...given,
    model: (isObject(model) ? model : given.model) ?? missing('model', 'give a checkpoint directory'),
    prompt: checkedPrompt(prompt),
    stop: given.stop ?? [],
    // One prompt is split only where it is asked for.
    layout: text === 'auto' ? oneRank : parseLayout(text, readScheduleFile),
  };
}

const isObject = <T>(value: T | string | undefined): value is T & object => typeof value === 'object' && value !== null;

function checkedPrompt(prompt: string | ArrayLike<number> | undefined): string | ArrayLike<number> {
  if (prompt === undefined) return missing('prompt', 'write some text');
  if (typeof prompt === 'string' || Array.isArray(prompt) || ArrayBuffer.isView(prompt)) return prompt;
  return fail('OPTION_INVALID', {
    option: option('prompt'),
    problem: 'it is neither text nor token ids',
    fix: 'write some text',
  });
}

const missing = (key: string, fix: string): never =>
  fail('OPTION_INVALID', { option: option(key), problem: 'it is missing', fix });
