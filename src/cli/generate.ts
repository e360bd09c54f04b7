// The command that goes on with a text: `fivefold generate`.
import type { Command } from 'commander';
import { fail, option } from '../errors.ts';
import { generate } from '../generate/generate.ts';
import type { Generated } from '../generate/job.ts';
import { type GenerateOptions, generateDefaults } from '../generate/options.ts';
import { formatCount, formatSeconds } from '../units.ts';
import { type CliIo, throwIfStopped, writeJson, writeLine } from './io.ts';
import { addOptions, type OptionValues } from './options.ts';
import { promptOf } from './prompt.ts';
import { paint, wantsColour } from './ui/colour.ts';

type Values = OptionValues<
  | 'model'
  | 'prompt'
  | 'maxTokens'
  | 'temperature'
  | 'topK'
  | 'topP'
  | 'minP'
  | 'stop'
  | 'seed'
  | 'layout'
  | 'precision'
  | 'tokenizer'
  | 'timeoutSeconds'
  | 'json'
  | 'debug'
>;

export function addGenerate(program: Command, io: CliIo): void {
  const command = program.command('generate').description('go on with a text').allowExcessArguments(false);
  const read = addOptions(command, {
    model: 'required; one with weights',
    prompt: 'what is piped in',
    maxTokens: `${generateDefaults.maxTokens}`,
    temperature: `${generateDefaults.temperature}`,
    topK: 'all tokens',
    topP: 'all tokens',
    minP: 'all tokens',
    stop: 'none',
    seed: `${generateDefaults.seed}`,
    layout: 'one rank; tp and pp split the model, cp the text',
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
  $ printf '## Usage' | fivefold generate --model runs/demo-1 --top-k 40 --top-p 0.9 --stop '##' '---'

With --json, a line a token: {"token", "text": what it completes, '' inside a character}, and at the end
{"done": true, "text", "tokens", "stopped": "length", "stopToken" or "stopString", "seconds", "tokensPerSecond"}.`,
  );
  command.action(() => runGenerate(read(), io));
}

async function runGenerate(values: Values, io: CliIo): Promise<void> {
  if (values.model === undefined)
    fail('OPTION_INVALID', { option: option('model'), problem: 'it is missing', fix: 'give a checkpoint directory' });
  const prompt = await promptOf(values.prompt, io);
  const people = !values.json && io.stdout.isTTY === true;
  if (people) io.stdout.write(paint(prompt, 'bold', wantsColour(io.stdout)));
  const { text, tokens, stopped, seconds } = await continueText({ ...values, prompt }, io, {
    ...(values.json
      ? { onToken: (token, text) => writeJson(io.stdout, { token, text }) }
      : { onText: (text) => io.stdout.write(text) }),
  });
  const tokensPerSecond = seconds > 0 ? tokens.length / seconds : 0;
  if (values.json) {
    writeJson(io.stdout, { done: true, text, tokens: tokens.length, stopped, seconds, tokensPerSecond });
    return;
  }
  writeLine(io.stdout, '');
  if (people)
    writeLine(
      io.stderr,
      `${tokens.length} tokens in ${formatSeconds(seconds)}, ${formatCount(tokensPerSecond)} tokens/s`,
    );
}

/** Generates as the command does. The library checks what was written. */
export async function continueText(
  { json: _, debug: __, ...values }: Values,
  io: CliIo,
  hooks: Pick<GenerateOptions, 'onToken' | 'onText' | 'pool'>,
): Promise<Generated> {
  try {
    const options = { ...values, ...hooks, signal: io.signal };
    return await generate(options as GenerateOptions);
  } catch (error) {
    throwIfStopped(io);
    throw error;
  }
}
