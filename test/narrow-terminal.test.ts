// A terminal of 60 columns: no line of any command is longer, and no word is broken.
import { Writable } from 'node:stream';
import { afterAll, expect, test } from 'vitest';
import { main } from '../src/cli/main.ts';
import { formatFigures } from '../src/cli/report.ts';
import type { ScaleResult } from '../src/cli/scaling.ts';
import { formatScaling } from '../src/cli/scaling-report.ts';
import { seenLength } from '../src/cli/ui/wrap.ts';
import { makeWorkplace } from './cli-fixture.ts';

const narrow = 60;
const wide = 400;
const place = makeWorkplace();
const { path } = place;
afterAll(() => place.remove());

/** All that a command writes on a terminal, stdout and stderr as they come. */
async function onTerminal(columns: number, ...argv: readonly string[]): Promise<string> {
  const chunks: string[] = [];
  const terminal = () => {
    const stream = new Writable({
      write(chunk, _encoding, done) {
        chunks.push(String(chunk));
        done();
      },
    });
    return Object.assign(stream, { isTTY: true, columns });
  };
  const io = { stdout: terminal(), stderr: terminal(), signal: new AbortController().signal, program: 'fivefold' };
  await main(argv, io);
  return chunks.join('');
}

/** Every state a bar has shown is a line. */
const tooLong = (text: string): string[] => text.split(/[\r\n]/).filter((line) => seenLength(line) > narrow);
// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one
const wordsOf = (text: string): string[] => text.replace(/\x1b\[[\d;]*[A-Za-z]| \\$/gm, '').split(/[\s─┬]+/);
const brokenWords = (text: string, asWide: string): string[] => {
  const whole = new Set(wordsOf(asWide));
  return wordsOf(text).filter((word) => !whole.has(word));
};

const commands = ['train', 'generate', 'scale', 'describe', 'demo'];
test.each([
  ['--help'],
  ...commands.map((command) => [command, '--help']),
  ['train', '--data', 'text.txt', '--layout', 'tp=3,pp=2', '--model', 'llama-tiny'],
  ['train', '--data', 'no such file', '--steps', '2', '--layout', 'tp=1'],
  ['train', '--data', 'text.txt', '--seq-len', 'many'],
  ['generate', '--model', 'no-such-model', '--prompt', 'x'],
])('%s %s', async (...argv) => {
  const text = await onTerminal(narrow, ...argv);
  expect(text.length).toBeGreaterThan(narrow);
  expect(tooLong(text)).toEqual([]);
  const asWide = await onTerminal(wide, ...argv);
  expect(wordsOf(text)).toEqual(wordsOf(asWide));
});

test('runs, from the first line to the last', async () => {
  const small = ['--model', path('config.json'), '--seq-len', '16', '--global-batch', '4', '--steps', '2'];
  const data = ['--data', path('text.txt')];
  const train = await onTerminal(narrow, 'train', ...small, ...data, '--layout', 'tp=2', '--out', path('out'));
  expect(train).toContain('Next:');
  const generate = ['generate', '--model', path('out'), '--prompt', 'a', '--max-tokens', '3', '--temperature', '0'];
  const scale = await onTerminal(narrow, 'scale', ...small, '--max-ranks', '2', '--repeats', '1', '--weak');
  expect(scale).toContain('Weak scaling');
  const pipelines = await onTerminal(narrow, 'scale', ...small, '--max-ranks', '2', '--repeats', '1', '--axis', 'pp');
  expect(pipelines).toContain('pp=2,schedule=zb-h1: ');
  expect(pipelines).toContain('stage 1');
  const said = await onTerminal(narrow, ...generate);
  // Paths are longer than a line; each stands on one of its own.
  for (const text of [train, scale, pipelines, said])
    expect(tooLong(text).filter((line) => !line.includes(path('')))).toEqual([]);
});

const one: ScaleResult = {
  axis: 'dp',
  ranks: 1,
  layout: 'tp=1',
  stepSeconds: 1.5,
  estimatedSeconds: 1.5,
  speedup: 1,
  efficiency: 1,
  serialFraction: Number.NaN,
  communicationShare: 0,
  imbalance: 0,
  allowedEfficiency: 1,
  matrixShare: 0.5,
};
const results: ScaleResult[] = [
  { ...one, axis: 'tp', ranks: 2, layout: 'tp=2', speedup: 0.8, efficiency: 0.4, serialFraction: 1.5 },
  { ...one, axis: 'pp', ranks: 2, layout: 'pp=2', speedup: 2.1, efficiency: 1.05, serialFraction: -0.05 },
  { ...one, axis: 'dp', ranks: 128, layout: 'dp=128', speedup: 100, efficiency: 0.78, serialFraction: 0.002 },
];
const ranks = Array.from({ length: 40 }, (_, rank) => rank);
const figures = {
  peakBytes: ranks.map((rank) => 1e9 + (rank % 2)),
  flops: ranks.map(() => 1e12),
  bytesSent: { tp: { reduceScatter: ranks.map((rank) => 1e6 * (1 + (rank % 2))) } },
};

test.each([
  ['figures', (columns: number) => formatFigures(figures, { ...figures, flops: ranks }, false, columns)],
  ['scale', (columns: number) => formatScaling(results, { cores: 2, weak: true, one, colour: true, columns })],
])('%s: the same words, in lines that fit', (_, format) => {
  const text = format(narrow);
  expect(tooLong(text)).toEqual([]);
  expect(brokenWords(text, format(wide)).filter((word) => !/[·╭╮╯╰│┤└]/.test(word))).toEqual([]);
});

test('scale says in words what a number would not', () => {
  const row = (layout: string): string =>
    formatScaling(results, { cores: 2, weak: false, one, colour: false, columns: wide })
      .split('\n')
      .find((line) => line.includes(layout))!;
  expect(row('tp=2')).toContain(' slower ');
  expect(row('pp=2')).toContain(' none ');
  expect(row('dp=128')).toContain(' 0.2 % ');
});
