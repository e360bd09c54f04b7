// The command that goes on with a text: `fivefold generate`.
import type { Command } from 'commander';
import { findModel } from '../checkpoint/model-source.ts';
import { textStream } from '../data/text-stream.ts';
import { loadTokenizer } from '../data/tokenizer.ts';
import { fail, option } from '../errors.ts';
import { generate } from '../generate/generate.ts';
import type { Generated } from '../generate/job.ts';
import { oneRank, parseLayout } from '../mesh/layout.ts';
import { type CliIo, throwIfStopped, writeJson, writeLine } from './io.ts';
import { addOptions, type OptionValues } from './options.ts';
import { paint, wantsColour } from './ui/colour.ts';
import { formatCount, formatSeconds } from './ui/units.ts';

export const generateDefaults = { maxTokens: 100, temperature: 0.8, seed: 0, precision: 'f32' } as const;

type Values = OptionValues<
  | 'model'
  | 'prompt'
  | 'maxTokens'
  | 'temperature'
  | 'seed'
  | 'layout'
  | 'precision'
  | 'tokenizer'
  | 'timeoutSeconds'
  | 'json'
>;

export function addGenerate(program: Command, io: CliIo): void {
  const command = program.command('generate').description('go on with a text').allowExcessArguments(false);
  const read = addOptions(command, {
    model: 'required; one with weights',
    prompt: 'required',
    maxTokens: `${generateDefaults.maxTokens}`,
    temperature: `${generateDefaults.temperature}`,
    seed: `${generateDefaults.seed}`,
    layout: 'one rank; tp and pp split the model',
    precision: generateDefaults.precision,
    tokenizer: "the checkpoint's, else bytes",
    timeoutSeconds: '300',
    json: '',
    debug: '',
  });
  command.addHelpText(
    'after',
    `
Examples:
  $ fivefold generate --model runs/demo-1 --prompt '## Usage'
  $ fivefold generate --model runs/demo-1 --prompt 'export interface' --layout tp=2 --temperature 0 --max-tokens 40

With --json, a line a token: {"token", "text": what it completes, '' inside a character}, and at the end
{"done": true, "text", "tokens", "seconds", "tokensPerSecond"}.`,
  );
  command.action(() => runGenerate(read(), io));
}

async function runGenerate(values: Values, io: CliIo): Promise<void> {
  const { model: name, prompt } = values;
  if (name === undefined)
    fail('OPTION_INVALID', { option: option('model'), problem: 'it is missing', fix: 'give a checkpoint directory' });
  if (prompt === undefined)
    fail('OPTION_INVALID', { option: option('prompt'), problem: 'it is missing', fix: 'write some text' });
  const people = !values.json && io.stdout.isTTY === true;
  if (people) io.stdout.write(paint(prompt, 'bold', wantsColour(io.stdout)));
  const { done, text } = await continueText({ ...values, model: name, prompt }, io, (part, token) => {
    if (!values.json) io.stdout.write(part);
    else if (token !== undefined) writeJson(io.stdout, { token, text: part });
  });
  const { tokens, seconds } = done;
  const tokensPerSecond = seconds > 0 ? tokens.length / seconds : 0;
  if (values.json) {
    writeJson(io.stdout, { done: true, text, tokens: tokens.length, seconds, tokensPerSecond });
    return;
  }
  writeLine(io.stdout, '');
  if (people)
    writeLine(
      io.stderr,
      `${tokens.length} tokens in ${formatSeconds(seconds)}, ${formatCount(tokensPerSecond)} tokens/s`,
    );
}

/** Generates with the tokenizer of the model. `onText` gets the text that a token completes, and last, without a token, what is left. */
export async function continueText(
  values: Values & { readonly model: string; readonly prompt: string },
  io: CliIo,
  onText: (text: string, token?: number) => void,
): Promise<{ done: Generated; text: string }> {
  const model = findModel(values.model);
  const tokenizer = loadTokenizer(values.tokenizer ?? model.tokenizerPath);
  const stream = textStream(tokenizer);
  let text = '';
  const show = (part: string, token?: number): void => {
    text += part;
    onText(part, token);
  };
  try {
    const done = await generate({
      model,
      layout: values.layout === undefined || values.layout === 'auto' ? oneRank : parseLayout(values.layout),
      precision: values.precision ?? generateDefaults.precision,
      prompt: tokenizer.encode(values.prompt, { addSpecialTokens: true }),
      maxTokens: values.maxTokens ?? generateDefaults.maxTokens,
      temperature: values.temperature ?? generateDefaults.temperature,
      seed: values.seed ?? generateDefaults.seed,
      ...(tokenizer.endOfText === undefined ? {} : { stopToken: tokenizer.endOfText }),
      ...(values.timeoutSeconds === undefined ? {} : { timeoutSeconds: values.timeoutSeconds }),
      signal: io.signal,
      onToken: (token) => show(stream.push(token), token),
    });
    show(stream.end());
    return { done, text };
  } catch (error) {
    throwIfStopped(io);
    throw error;
  }
}
