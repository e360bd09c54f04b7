// Files that never end, are no files, or are no text, through the command line: nothing hangs, and what it is is said.
import { cpSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { jsonLines, makeWorkplace, run } from './cli-fixture.ts';
import { makeFifo, makeLinkCircle, makeSocket, makeSparse } from './odd-files.ts';
import { tinyLlama } from './tiny-llama.ts';

const place = makeWorkplace();
const { path } = place;
const fixture = 'test/fixtures/llama-sharded-bf16';
let closeSocket: () => Promise<void>;

/** A copy of a sharded checkpoint in which one file is a FIFO. */
function checkpointWithFifo(name: string, file: string): void {
  cpSync(fixture, path(name), { recursive: true });
  rmSync(path(`${name}/${file}`), { force: true });
  makeFifo(path(`${name}/${file}`));
}

beforeAll(async () => {
  makeFifo(path('fifo'));
  closeSocket = await makeSocket(path('socket'));
  makeLinkCircle(path('circle'));
  makeSparse(path('large.json'), 1e12);
  makeSparse(path('large.txt'), 1e12);
  mkdirSync(path('pipes'));
  makeFifo(path('pipes/a.txt'));
  writeFileSync(path('pipes/x.wasm'), '\0asm');
  mkdirSync(path('mixed'));
  cpSync(path('text.txt'), path('mixed/text.txt'));
  makeFifo(path('mixed/fifo.txt'));
  writeFileSync(path('mixed/x.wasm'), '\0asm');
  symlinkSync('/dev/zero', path('mixed/zeros.txt'));
  mkdirSync(path('tokenizer'));
  cpSync('test/fixtures/tokenizer/tokenizer.json', path('tokenizer/tokenizer.json'));
  makeFifo(path('tokenizer/tokenizer_config.json'));
  checkpointWithFifo('weights', readFirstShard());
  checkpointWithFifo('index', 'model.safetensors.index.json');
  checkpointWithFifo('config', 'config.json');
});
afterAll(async () => {
  await closeSocket();
  place.remove();
});

function readFirstShard(): string {
  const index = JSON.parse(readFileSync(`${fixture}/model.safetensors.index.json`, 'utf8')) as {
    readonly weight_map: Readonly<Record<string, string>>;
  };
  return Object.values(index.weight_map)[0]!;
}

const small = ['--seq-len', '16', '--global-batch', '4', '--steps', '1', '--layout', 'tp=1'];
const withData = (data: string, ...more: string[]): string[] => [
  'train',
  ...['--data', data, '--model', path('config.json')],
  ...small,
  ...['--out', path('out'), ...more],
];
const withModel = (model: string): string[] => [...withData(path('text.txt')), '--model', model];
const withTokenizer = (tokenizer: string): string[] => [...withData(path('text.txt')), '--tokenizer', tokenizer];

const pipe = 'it is a FIFO (a pipe) and not a regular file; save what it gives in a file, and give that file';
const cases: readonly (readonly [string, readonly string[], ...string[]])[] = [
  ['config: a FIFO', withData(path('text.txt'), '--config', path('fifo')), '--config', 'it is a FIFO'],
  ['config: too large', withData(path('text.txt'), '--config', path('large.json')), '--config', 'are more than the'],
  ['data: a FIFO', withData(path('fifo')), 'cannot read data', 'fifo', pipe],
  ['data: a socket', withData(path('socket')), 'it is a socket'],
  ['data: /dev/zero', withData('/dev/zero'), 'cannot read data /dev/zero: it is a device'],
  ['data: a link to itself', withData(path('circle')), 'its symbolic links lead in a circle', 'give text files'],
  [
    'data: a sparse file',
    withData(path('large.txt')),
    'large.txt',
    'not UTF-8 text: it holds NUL bytes',
    'leave it out',
  ],
  [
    'data: a folder of pipes',
    withData(path('pipes')),
    'holds no tokens',
    '1 file that is not text',
    '1 FIFO',
    'some text',
  ],
  ['model: a FIFO', withModel(path('fifo')), 'fifo', pipe],
  ['model: /dev/zero', withModel('/dev/zero'), '/dev/zero: it is a device', 'save what it gives'],
  ['model: a config.json without end', withModel(path('large.json')), '1000000000000 bytes are more than the 16777216'],
  ['model: weights in a FIFO', withModel(path('weights')), 'weights', pipe],
  ['model: an index in a FIFO', withModel(path('index')), 'index.json', pipe],
  ['model: a checkpoint with its config in a FIFO', withModel(path('config')), 'config.json', pipe],
  ['config: a FIFO', [...withData(path('text.txt')), '--config', path('fifo')], 'fifo', 'it is a FIFO', 'run.json'],
  ['config: /dev/zero', [...withData(path('text.txt')), '--config', '/dev/zero'], '/dev/zero', 'it is a device'],
  ['tokenizer: a FIFO', withTokenizer(path('fifo')), 'fifo', pipe],
  ['tokenizer: one without end', withTokenizer(path('large.json')), '1000000000000 bytes are more than the 268435456'],
  ['tokenizer: its config is a FIFO', withTokenizer(path('tokenizer')), 'tokenizer_config.json', pipe],
];

/** Everything there, with its size: the files here are too large, or none that could be read. */
const names = (): string[] =>
  readdirSync(path('.'), { recursive: true, encoding: 'utf8' })
    .map((name) => `${name} ${lstatSync(path(name)).size}`)
    .sort();

test.each(cases)('%s', async (_, argv, ...parts) => {
  const before = names();
  const { exit, stdout, stderr } = await run(...argv);
  expect({ exit, stdout, lines: stderr.split('\n').length - 1 }, stderr).toEqual({ exit: 2, stdout: '', lines: 1 });
  for (const part of parts) expect(stderr).toContain(part);
  expect(names()).toEqual(before);
});

test('a folder with a few files that are no text is trained on, and the others are said', async () => {
  const alone = await run(...withData(path('text.txt'), '--json', '--out', path('alone')));
  const mixed = await run(...withData(path('mixed'), '--json', '--out', path('mixed-out')));
  expect([alone.exit, mixed.exit]).toEqual([0, 0]);
  expect(jsonLines(mixed.stdout)[0]!.loss).toBe(jsonLines(alone.stdout)[0]!.loss);
  expect(alone.stderr).toBe('');
  const [wasm, fifo] = [path('mixed/x.wasm'), path('mixed/fifo.txt')];
  expect(mixed.stderr).toBe(
    `skipped 1 file that is not text (${wasm}); 2 FIFOs, sockets or devices, such as ${fifo}\n`,
  );
});

test('a byte order mark before config.json and tokenizer.json changes nothing', async () => {
  writeFileSync(path('marked.json'), `\ufeff${JSON.stringify({ ...tinyLlama, vocab_size: 310 })}`);
  writeFileSync(
    path('marked-tokenizer.json'),
    `\ufeff${readFileSync('test/fixtures/tokenizer/tokenizer.json', 'utf8')}`,
  );
  writeFileSync(path('plain.json'), JSON.stringify({ ...tinyLlama, vocab_size: 310 }));
  const lossOf = async (model: string, tokenizer: string): Promise<unknown> => {
    const { exit, stdout, stderr } = await run(
      ...['train', '--data', path('text.txt'), '--model', path(model), '--tokenizer', tokenizer, ...small, '--json'],
    );
    expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' });
    return jsonLines(stdout)[0]!.loss;
  };
  expect(await lossOf('marked.json', path('marked-tokenizer.json'))).toBe(
    await lossOf('plain.json', 'test/fixtures/tokenizer/tokenizer.json'),
  );
  writeFileSync(path('marked-run.json'), `\ufeff${JSON.stringify({ steps: 7, seqLen: 16 })}`);
  const [, ...more] = withData(
    path('text.txt'),
    '--json',
    '--config',
    path('marked-run.json'),
    '--out',
    path('marked'),
  );
  const { exit, stderr } = await run('train', ...more);
  expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' });
});

test.each([
  ['epochs take the place of steps', { steps: 7 }, ['--epochs', '0.01']],
  ['steps take the place of epochs', { epochs: 7 }, ['--steps', '2']],
  [
    'no outer step: what is said of it says nothing',
    { syncEvery: 2, outerLearningRate: 0.5, outerMomentum: 0.8 },
    ['--sync-every', '1', '--steps', '2'],
  ],
  ['texts: a beta says nothing', { objective: 'dpo', beta: 0.2 }, ['--objective', 'next-token', '--steps', '2']],
])('beside a run.json on the command line, %s', async (_, inFile, given) => {
  const settings = { model: path('config.json'), data: [path('text.txt')], seqLen: 16, globalBatch: 4, ...inFile };
  writeFileSync(path('run.json'), JSON.stringify(settings));
  const { exit, stdout, stderr } = await run(
    ...['train', '--config', path('run.json'), '--layout', 'dp=2', '--json', ...given],
  );
  expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' });
  expect(jsonLines(stdout).filter((line) => 'loss' in line).length).toBeLessThan(7);
});

test('an outer rate on the command line needs an outer step there too', async () => {
  const inFile = { model: path('config.json'), data: [path('text.txt')], syncEvery: 2, outerLearningRate: 0.5 };
  writeFileSync(path('run.json'), JSON.stringify(inFile));
  const { exit, stderr } = await run(
    ...['train', '--config', path('run.json'), '--sync-every', '1', '--outer-lr', '0.7', '--layout', 'dp=2'],
  );
  expect(exit).toBe(2);
  expect(stderr).toMatch(/^fivefold: --outer-lr: there is no outer step .*\n$/);
});
