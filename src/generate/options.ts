// What `generate` can be told: the options, their defaults, and the one schema that the library and the command line check them with.
import { z } from 'zod';
import type { ModelSource } from '../checkpoint/model-source.ts';
import { fail, option } from '../errors.ts';
import { type Layout, oneRank, parseLayout, scheduleNames } from '../mesh/layout.ts';
import { axes } from '../mesh/mesh.ts';
import type { Precision } from '../program/onnx-builder.ts';
import type { WorldPool } from '../runtime/world-pool.ts';
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
  readonly signal?: AbortSignal;
}

export const generateDefaults = { maxTokens: 100, temperature: 0.8, seed: 0, precision: 'f32' } as const;

/** Seeds of training and of generating have one limit. */
const mostSeed = 2 ** 21 - 1;
const mostTokens = 1_000_000;

const whole = (least: number, most: number) => {
  const allowed = `a whole number from ${least} to ${most}`;
  return z.int(allowed).min(least, allowed).max(most, allowed);
};
const share = z.number('a number from 0 to 1').min(0, 'a number from 0 to 1').max(1, 'a number from 0 to 1');
const above = (bound: 'at least' | 'above') => {
  const allowed = `a number ${bound === 'above' ? 'above 0' : 'of at least 0'}`;
  const number = z.number(allowed);
  return bound === 'above' ? number.positive(allowed) : number.nonnegative(allowed);
};
const text = z.string('text that is not empty').min(1, 'text that is not empty');
const tokens = z.custom<ArrayLike<number>>((value) => Array.isArray(value) || ArrayBuffer.isView(value));
const callback = z.custom<(...values: never[]) => void>((value) => typeof value === 'function', 'a function');
const object = <T>(allowed: string, keys: readonly string[]) =>
  z.custom<T>((value) => typeof value === 'object' && value !== null && keys.every((key) => key in value), allowed);

const size = z.int().positive();
const layout = z.union(
  [
    z.string(),
    z.strictObject({
      ...(Object.fromEntries(axes.map((axis) => [axis, size])) as Record<(typeof axes)[number], typeof size>),
      sp: z.boolean(),
      schedule: z.enum(scheduleNames),
      stages: z.array(size).optional(),
    }),
  ],
  'a layout',
);

const schema = z.strictObject({
  model: z.union([text, object<ModelSource>('', ['config'])], 'a checkpoint directory or a model'),
  prompt: z.union([z.string(), tokens], 'text or token ids'),
  maxTokens: whole(1, mostTokens).default(generateDefaults.maxTokens),
  temperature: above('at least').default(generateDefaults.temperature),
  topK: whole(1, Number.MAX_SAFE_INTEGER).optional(),
  topP: share.optional(),
  minP: share.optional(),
  stop: z.union([text.transform((string) => [string]), z.array(text)], 'text that is not empty').default([]),
  stopToken: whole(0, 2 ** 31 - 1).optional(),
  seed: whole(0, mostSeed).default(generateDefaults.seed),
  layout: layout.default('tp=1'),
  precision: z.enum(['f32', 'f64'], 'f32 or f64').default(generateDefaults.precision),
  tokenizer: text.optional(),
  timeoutSeconds: above('above').default(300),
  onToken: callback.optional(),
  onText: callback.optional(),
  pool: object<WorldPool>('a pool', ['take', 'give']).optional(),
  signal: object<AbortSignal>('an AbortSignal', ['aborted']).optional(),
});

/** An example of each option that has a form of its own. */
const examples: Readonly<Record<string, string>> = {
  model: 'runs/notes',
  prompt: 'Once',
  maxTokens: `${generateDefaults.maxTokens}`,
  temperature: `${generateDefaults.temperature}`,
  topK: '50',
  topP: '0.9',
  minP: '0.05',
  seed: '1',
  layout: 'tp=2',
  precision: generateDefaults.precision,
  timeoutSeconds: '300',
};

export type GenerateSettings = Omit<z.infer<typeof schema>, 'layout'> & { readonly layout: Layout };

/** The options with their defaults; OPTION_INVALID names the one that is wrong, LAYOUT_* what is wrong with a layout's text. */
export function parseGenerateOptions(options: unknown): GenerateSettings {
  const parsed = schema.safeParse(options);
  if (!parsed.success) return refuse(parsed.error.issues[0]!, options);
  const { layout } = parsed.data;
  // One prompt is split only where it is asked for.
  if (layout === 'auto') return { ...parsed.data, layout: oneRank };
  return { ...parsed.data, layout: typeof layout === 'string' ? parseLayout(layout) : layout };
}

function refuse(issue: z.core.$ZodIssue, options: unknown): never {
  const key = String(issue.path[0] ?? '');
  if (issue.code === 'unrecognized_keys' && key === '')
    return fail('OPTION_INVALID', {
      option: option(issue.keys[0]!),
      problem: 'there is no such option',
      fix: `use ${Object.keys(schema.shape).map(option).join(', ')}`,
    });
  if (key === '')
    return fail('OPTION_INVALID', {
      option: 'generate',
      problem: 'it needs an object of options',
      fix: "try { model: 'runs/notes', prompt: 'Once' }",
    });
  const given = issue.path.reduce((value, step) => (value as Readonly<Record<PropertyKey, unknown>>)[step], options);
  const example = examples[key];
  return fail('OPTION_INVALID', {
    option: option(key),
    problem: given === undefined ? 'it is missing' : `${shown(given)} is not ${issue.message}`,
    fix: example === undefined ? 'leave it out' : `try ${option(key)} ${example}`,
  });
}

function shown(value: unknown): string {
  if (typeof value === 'string') return `"${value}"`;
  if (typeof value === 'object' || typeof value === 'function') return value === null ? 'null' : `this ${typeof value}`;
  return String(value);
}
