// Every option of every command in one table: how it is written, what it means, how it parses. Help is made from it too.
import { type Command, Option } from 'commander';
import { fail, option } from '../errors.ts';
import type { Precision } from '../program/onnx-builder.ts';

/** `T`: what the option's text becomes. */
interface OptionSpec<T> {
  /** As commander has it: `--steps <n>`, `--data <files...>`, or `--json` for a switch. */
  readonly flags: string;
  readonly help: string;
  /** Undefined: a switch. `before` holds what the option gave earlier on the same command line. */
  readonly parse?: (text: string, before: T | undefined) => T;
}

const text = (value: string): string => value;

/** A number where one is written; what is not a number stays as it is, for whoever checks it. */
const written = (value: string): number | string =>
  value.trim() === '' || Number.isNaN(Number(value)) ? value : Number(value);

/** A whole number in [least, most]. */
const whole =
  (key: string, least: number, most = Number.MAX_SAFE_INTEGER) =>
  (value: string): number => {
    const number = Number(value);
    if (value.trim() !== '' && Number.isInteger(number) && number >= least && number <= most) return number;
    const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
    return fail('OPTION_INVALID', {
      option: option(key),
      problem: `"${value}" is not a whole number ${range}`,
      fix: `try ${option(key)} ${Math.max(1, least)}`,
    });
  };

/** A number above 0, or from 0 on. */
const real =
  (key: string, { zero, example }: { readonly zero: boolean; readonly example: string }) =>
  (value: string): number => {
    const number = Number(value);
    if (value.trim() !== '' && Number.isFinite(number) && (zero ? number >= 0 : number > 0)) return number;
    return fail('OPTION_INVALID', {
      option: option(key),
      problem: `"${value}" is not a number ${zero ? 'of at least 0' : 'above 0'}`,
      fix: `try ${option(key)} ${example}`,
    });
  };

const oneOf =
  <T extends string>(key: string, allowed: readonly T[]) =>
  (value: string): T =>
    allowed.find((name) => name === value) ??
    fail('OPTION_INVALID', {
      option: option(key),
      problem: `"${value}" is not known`,
      fix: `use ${allowed.join(' or ')}`,
    });

const spec = <T>(flags: string, help: string, parse: NonNullable<OptionSpec<T>['parse']>): OptionSpec<T> => ({
  flags,
  help,
  parse,
});
const flag = (flags: string, help: string): OptionSpec<boolean> => ({ flags, help });

/** Settings whose flag is not their key with dashes. */
const shortFlags: Readonly<Record<string, string>> = { learningRate: '--lr', timeoutSeconds: '--timeout' };

/** How the command line spells a setting: `seqLen` is `--seq-len`. */
export const flagOf = (key: string): string =>
  shortFlags[key] ?? `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** By the name commander gives the value: `--seq-len` is `seqLen`. */
export const optionTable = {
  model: spec('--model <name>', 'a preset, a config.json, or a checkpoint directory', text),
  data: spec<string[]>(
    '--data <files...>',
    'text, .jsonl, .u16.bin or .i32.bin files, or folders of them',
    (value, before) => [...(before ?? []), value],
  ),
  layout: spec(
    '--layout <text>',
    'how the ranks are laid out, such as tp=2,pp=2,dp=2,sp,schedule=gpipe, or auto',
    text,
  ),
  steps: spec('--steps <n>', 'optimizer steps of the whole run', whole('steps', 1)),
  seqLen: spec('--seq-len <n>', 'tokens of a sequence', whole('seqLen', 1)),
  globalBatch: spec('--global-batch <n>', 'sequences of a step', whole('globalBatch', 1)),
  microBatch: spec('--micro-batch <n>', 'sequences a data-parallel rank works on at a time', whole('microBatch', 1)),
  lr: spec(
    '--lr <x>',
    'peak learning rate; warm-up before it, a cosine to a tenth after it',
    real('learningRate', { zero: false, example: '1e-3' }),
  ),
  seed: spec(
    '--seed <n>',
    'decides initial weights, the order of the data and sampling',
    whole('seed', 0, 2 ** 21 - 1),
  ),
  precision: spec<Precision>(
    '--precision <name>',
    'f32, or f64 to compare layouts to the last digits',
    oneOf('precision', ['f32', 'f64']),
  ),
  out: spec('--out <dir>', 'where checkpoints go; it must hold no other run', text),
  resume: spec(
    '--resume <dir>',
    'go on with the run saved there, in any layout; it is saved there too without --out',
    text,
  ),
  saveEvery: spec('--save-every <n>', 'also save after every n steps, not only at the end', whole('saveEvery', 1)),
  tokenizer: spec('--tokenizer <path>', 'a Hugging Face tokenizer.json', text),
  trace: spec('--trace <file>', 'write what every rank did when, for ui.perfetto.dev', text),
  timeout: spec(
    '--timeout <seconds>',
    'how long a rank may wait for the others',
    real('timeoutSeconds', { zero: false, example: '300' }),
  ),
  // Generating: the library's schema checks these.
  prompt: spec('--prompt <text>', 'the text to go on with; - reads it from stdin', text),
  maxTokens: spec('--max-tokens <n>', 'tokens to generate', written),
  temperature: spec('--temperature <t>', 'how freely to choose: 0 always takes the likeliest token', written),
  topK: spec('--top-k <k>', 'choose from the k likeliest tokens', written),
  topP: spec('--top-p <p>', 'choose from the likeliest tokens that together have this probability', written),
  minP: spec('--min-p <p>', 'choose from the tokens at least this share as likely as the likeliest', written),
  stop: spec<string[]>('--stop <text...>', 'end before any of these texts', (value, before) => [
    ...(before ?? []),
    value,
  ]),
  maxRanks: spec('--max-ranks <n>', 'ranks of the largest run', whole('maxRanks', 1, 256)),
  repeats: spec('--repeats <n>', 'times that every layout runs, in turn', whole('repeats', 1, 1000)),
  seconds: spec('--seconds <n>', 'how long the whole command takes', whole('seconds', 1)),
  json: flag('--json', 'print one JSON object a line and nothing else'),
  debug: flag('--debug', 'print the stack of an error'),
} as const;

export type OptionName = keyof typeof optionTable;

type ValueOf<S> = S extends OptionSpec<infer T> ? T : never;

/** What was given on the command line; an option that was not is undefined. */
export type OptionValues<K extends OptionName> = { readonly [name in K]?: ValueOf<(typeof optionTable)[name]> };

/** Adds options to a command, each with the default its help shows, and returns how to read them. */
export function addOptions<const K extends OptionName>(
  command: Command,
  names: Readonly<Record<K, string>>,
): () => OptionValues<K> {
  const keys = Object.keys(names) as K[];
  for (const key of keys) {
    const { flags, help, parse }: OptionSpec<unknown> = optionTable[key] as OptionSpec<unknown>;
    const shown: string = names[key];
    const option = new Option(flags, shown ? `${help} (${shown})` : help);
    // Commander passes its own empty value first for an option that is given once.
    if (parse) option.argParser((value: string, before: unknown) => parse(value, before));
    command.addOption(option);
  }
  return () => Object.fromEntries(keys.map((key) => [key, command.getOptionValue(key)])) as OptionValues<K>;
}
