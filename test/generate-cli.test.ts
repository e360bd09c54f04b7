// `fivefold generate`: prompts from stdin, ways to choose and to end, and what is refused.
import { Readable, Writable } from 'node:stream';
import { expect, test } from 'vitest';
import type { Input } from '../src/cli/io.ts';
import { main } from '../src/cli/main.ts';
import { generate } from '../src/generate/generate.ts';
import { jsonLines } from './cli-fixture.ts';

// The fixture has no tokenizer, so tokens are bytes; "!" is token 33. Its vocabulary is 48 tokens: digits are outside.
const model = 'test/fixtures/llama';

async function fivefold(stdin: Input | undefined, ...argv: readonly string[]) {
  const written = { stdout: '', stderr: '' };
  const collect = (name: keyof typeof written): Writable =>
    new Writable({
      write(chunk, _encoding, done) {
        written[name] += String(chunk);
        done();
      },
    });
  const exit = await main(argv, {
    ...(stdin === undefined ? {} : { stdin }),
    stdout: collect('stdout'),
    stderr: collect('stderr'),
    signal: new AbortController().signal,
    program: 'fivefold',
  });
  return { exit, ...written };
}

const piped = (...chunks: readonly (string | Uint8Array)[]): Input => Readable.from(chunks, { objectMode: false });
const command = ['generate', '--model', model, '--precision', 'f64'];
const short = ['--max-tokens', '4', '--temperature', '0'];

test('a prompt from stdin is the prompt, whole, in whatever pieces it comes', async () => {
  const given = await fivefold(undefined, ...command, ...short, '--prompt', '!"#\n');
  expect(given).toMatchObject({ exit: 0, stderr: '' });
  expect(await fivefold(piped('!"', '#\n'), ...command, ...short)).toEqual(given);
  expect(await fivefold(piped('!', '"#\n'), ...command, ...short, '--prompt', '-')).toEqual(given);
});

test('--json: a line a token, and last the text, how many tokens and why it ended', async () => {
  const options = { temperature: 2, topK: 30, topP: 0.97, minP: 0.001, seed: 5, maxTokens: 40 };
  const argv = [
    ...command,
    '--prompt',
    '!!',
    '--temperature',
    '2',
    '--top-k',
    '30',
    '--top-p',
    '0.97',
    '--min-p',
    '0.001',
  ];
  const { exit, stdout, stderr } = await fivefold(undefined, ...argv, '--seed', '5', '--max-tokens', '40', '--json');
  expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' });
  const pieces: string[] = [];
  const whole = await generate({
    model,
    prompt: '!!',
    precision: 'f64',
    ...options,
    onText: (text) => pieces.push(text),
  });
  expect(pieces.join('')).toBe(whole.text);
  const lines = jsonLines(stdout);
  const last = lines.pop();
  expect(last).toMatchObject({ done: true, text: whole.text, tokens: 40, stopped: 'length' });
  expect(lines.map(({ token }) => token)).toEqual(whole.tokens);

  // Two neighbouring characters are a stop string over a border of tokens.
  const at = [...whole.text].findIndex((_, i) => i > 5 && whole.text.indexOf(whole.text.slice(i, i + 2)) === i);
  const stop = whole.text.slice(at, at + 2);
  expect(stop).toHaveLength(2);
  const stopped = await fivefold(
    undefined,
    ...argv,
    '--seed',
    '5',
    '--max-tokens',
    '40',
    '--stop',
    'never',
    stop,
    '--json',
  );
  const stoppedLines = jsonLines(stopped.stdout);
  const end = stoppedLines.pop();
  expect(end).toMatchObject({ text: whole.text.slice(0, at), stopped: 'stopString' });
  expect(end!.tokens).toBeLessThan(40);
  expect(stoppedLines.map(({ text }) => text).join('')).toBe(whole.text.slice(0, at));
});

const refused: readonly (readonly [string, Input | undefined, readonly string[], string])[] = [
  ['nothing to read', undefined, [], '--prompt: it is missing; write some text, or pipe it in'],
  ['a terminal', Object.assign(piped('!'), { isTTY: true }), [], '--prompt: it is missing'],
  ['- on a terminal', Object.assign(piped('!'), { isTTY: true }), ['--prompt', '-'], '--prompt: stdin is a terminal'],
  ['empty stdin', piped(), ['--prompt', '-'], '--prompt: stdin is empty'],
  ['no prompt and empty stdin', piped(), [], '--prompt: it is missing and stdin is empty'],
  ['bytes that are no text', piped(Uint8Array.of(0x21, 0xff)), [], '--prompt: stdin is not UTF-8 text'],
  ['too much', piped(...Array(17).fill('!'.repeat(2 ** 20))), [], '--prompt: stdin holds more than 16777216 bytes'],
  ['tokens outside', piped('a'), [], "--prompt: token 97 is outside the model's vocabulary of 48"],
  ['--top-p', piped('!'), ['--top-p', '1.5'], '--top-p: 1.5 is not a number from 0 to 1; use --top-p 0.9'],
  ['--top-k', piped('!'), ['--top-k', 'many'], '--top-k: "many" is not a whole number from 1'],
  ['--top-k 0', piped('!'), ['--top-k', '0'], '--top-k: 0 is not'],
  ['--min-p', piped('!'), ['--min-p', '-1'], '--min-p: -1 is not a number from 0 to 1'],
  ['--max-tokens', piped('!'), ['--max-tokens', '1e12'], '--max-tokens: 1000000000000 is not a whole number'],
  ['--temperature', piped('!'), ['--temperature', 'Infinity'], '--temperature: "Infinity" is not'],
  ['--stop', piped('!'), ['--stop', ''], '--stop: [""] is not'],
];

test.each(refused)('refused: %s', async (_, stdin, argv, line) => {
  const { exit, stdout, stderr } = await fivefold(stdin, ...command, ...argv);
  expect({ exit, stdout }).toEqual({ exit: 2, stdout: '' });
  expect(stderr).toContain(`fivefold: ${line}`);
  expect(stderr.split('\n')).toHaveLength(2);
});
