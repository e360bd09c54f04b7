// `fivefold predict`: its JSON adds up and follows from the cluster; what cannot be predicted is refused with the fix.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeWorkplace, run } from '../../test/cli-fixture.ts';
import { elementsOf, readPage, readText } from '../../test/markup.ts';
import { formatSeconds } from '../units.ts';

const llama = ['predict', '--model', 'llama-3.1-8b', '--seq-len', '8192'];

async function predicted(...words: string[]) {
  const { stdout, stderr, exit } = await run(...llama, ...words, '--json');
  expect({ stderr, exit }).toEqual({ stderr: '', exit: 0 });
  expect(stdout.trim()).not.toContain('\n');
  return JSON.parse(stdout);
}

const sum = (parts: Readonly<Record<string, number>>): number => Object.values(parts).reduce((a, b) => a + b, 0);

test('one line: the time by cause is the step, the memory by part the total', async () => {
  const said = await predicted('--cluster', '16xh100', '--layout', 'tp=2,pp=2,dp=4,sp,zero=1', '--global-batch', '32');
  expect(Object.keys(said)).toEqual([
    'stepSeconds',
    'tokensPerSecondPerGpu',
    'modelFlopsPerSecondPerGpu',
    'mfu',
    'fits',
    'memoryBytes',
    'time',
    'interval',
    'anchors',
    'provenance',
    'software',
  ]);
  const [low, high] = said.interval.stepSeconds;
  expect(low).toBeLessThan(said.stepSeconds);
  expect(high).toBeGreaterThan(said.stepSeconds);
  expect(said.anchors).toHaveLength(3);
  // A sum of rounded numbers.
  expect(sum(said.time)).toBeCloseTo(said.stepSeconds, 9);
  const { total, ...parts } = said.memoryBytes;
  expect(sum(parts)).toBeCloseTo(total, 0);
  expect(said.tokensPerSecondPerGpu * said.stepSeconds * 16).toBeCloseTo(32 * 8192, 3);
  // 989 TFLOP/s of dense bf16 products (NVIDIA's data sheet).
  expect(said.modelFlopsPerSecondPerGpu / said.mfu / 1e12).toBeCloseTo(989.4, 0);
  expect(said.time.bubble).toBeGreaterThan(0);
});

test('weights are those of the model, shared out as the layout says', async () => {
  const whole = await predicted('--cluster', '8xh100', '--layout', 'dp=8');
  // 8,030,261,248 parameters (Llama 3 herd, arXiv 2407.21783) in two bytes; vectors are padded to whole cache lines.
  expect(whole.memoryBytes.weights / (2 * 8_030_261_248)).toBeCloseTo(1, 4);
  expect(whole.fits).toBe(false);
  const shared = await predicted('--cluster', '8xh100', '--layout', 'dp=8,zero=1');
  expect(shared.memoryBytes.optimizer / whole.memoryBytes.optimizer).toBeCloseTo(1 / 8, 4);
});

test('a faster device and a faster network take less time, a slower network more', async () => {
  const seconds = async (cluster: string) =>
    (await predicted('--cluster', cluster, '--layout', 'dp=16,zero=3', '--global-batch', '16')).stepSeconds;
  const [h100, b200, slow] = [await seconds('16xh100'), await seconds('16xb200'), await seconds('16xh100@ethernet-25')];
  expect(b200).toBeLessThan(h100);
  expect(slow).toBeGreaterThan(h100);
});

test('a rank updates its own share of the parameters, whatever else is shared out', async () => {
  const seconds = (zero: number) =>
    predicted('--cluster', '8xh100', '--layout', `dp=8,zero=${zero}`, '--global-batch', '8').then(
      ({ time }) => time.optimizer as number,
    );
  const [none, first, second, third] = [await seconds(0), await seconds(1), await seconds(2), await seconds(3)];
  expect(none / first).toBeCloseTo(8, 3);
  // But for what vectors of each part are padded by.
  expect(second / first).toBeCloseTo(1, 4);
  expect(third / first).toBeCloseTo(1, 4);
});

test('a model that is planned for alone, with parameters that nothing reads, under every level of ZeRO', async () => {
  for (const zero of [0, 2, 3]) {
    const words = ['--model', 'gpt-oss-20b', '--cluster', '8xh100', '--layout', `dp=8,zero=${zero}`, '--json'];
    expect((await run('predict', ...words)).exit).toBe(0);
  }
});

test('auto is what plan finds best', async () => {
  const words = ['--model', 'smollm2-135m', '--cluster', '2xh100', '--seq-len', '512', '--json'];
  const [planned] = (await run('plan', '--train', ...words)).stdout.split('\n').map((line) => line && JSON.parse(line));
  const { stdout } = await run('predict', '--layout', 'auto', ...words);
  const { layout, microBatch, stepSeconds, memoryBytes } = planned;
  expect(JSON.parse(stdout)).toMatchObject({ layout, microBatch, stepSeconds, memoryBytes });
});

test('a length that nobody gave is one that the model has', async () => {
  expect((await run('predict', '--model', 'gpt2', '--cluster', '8xh100', '--json')).exit).toBe(0);
});

test('devices of several kinds: stages have layers by how fast theirs are', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fivefold-mixed-'));
  try {
    const path = join(folder, 'mixed.json');
    const tiers = [{ name: 'node', link: 'nvlink-4', devices: 8, bytesPerSecond: 450e9 }];
    const devices = ['h100', 'a100'].map((device) => ({ count: 4, device }));
    writeFileSync(path, JSON.stringify({ name: 'ours', devices, tiers }));
    const { stdout } = await run(...llama, '--cluster', path, '--layout', 'pp=2,dp=4,zero=1,recompute=full');
    expect(stdout).toMatch(
      /4 × NVIDIA H100 SXM5 80 GB \+ 4 × NVIDIA A100 .*, dp=4,pp=2,zero=1,recompute=full,stages=2\d\+\d/,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('for people: where memory and time go, as bars within the columns', async () => {
  const { stdout } = await run(...llama, '--cluster', '8xh100');
  expect(stdout).toContain('NVIDIA H100');
  expect(stdout).toMatch(/activations +[\d.]+ GB +█/);
  expect(stdout).toMatch(/compute +[\d.]+ m?s +[\d.]+ % +█/);
});

test('the pipeline as it runs, or what of it there is room for; nothing of it where there is one stage', async () => {
  const { stdout } = await run(...llama, '--cluster', '16xh100', '--layout', 'pp=4,dp=4', '--global-batch', '16');
  expect(stdout).toMatch(/the pipeline's 4 microbatches, [\d.]+ m?s; [\d.]+ m?s for gradients/);
  expect(stdout).toMatch(/^stage 3 {2}\.+0 +\[0 +\]1 +\[1 +\]/m);
  const long = await run(...llama, '--cluster', '32xh100', '--layout', 'pp=32', '--global-batch', '64');
  expect(long.stdout).toMatch(/the first 16 of 32 stages, the first [\d.]+ m?s of [\d.]+ m?s/);
  expect(long.stdout).toMatch(/^stage 15 /m);
  expect(long.stdout).not.toContain('stage 16');
  expect((await run(...llama, '--cluster', '8xh100')).stdout).not.toContain('stage 0');
});

test('how it scales over replicas, where there are several', async () => {
  const layout = ['--cluster', '16xh100', '--layout', 'tp=4,dp=4,zero=1', '--global-batch', '16'];
  const { stdout } = await run(...llama, ...layout);
  const { stepSeconds } = await predicted(...layout);
  const rows = stdout.match(/^ +\d+ +[\d.]+ m?s .*$/gm)!.map((row) => row.trim().split(/ {2,}/));
  expect(rows.map(([devices]) => devices)).toEqual(['4', '8', '16']);
  expect(rows[2]![1]).toBe(formatSeconds(stepSeconds));
  expect(rows[2]![5]).toBe(formatSeconds(stepSeconds));
  const one = await run(...llama, '--cluster', '8xh100', '--layout', 'tp=8');
  expect(one.stdout).not.toContain('replicas of this layout');
});

test('--report writes a page of the same numbers, and nothing else changes', async () => {
  const { path, remove } = makeWorkplace();
  try {
    const words = ['--cluster', '16xh100', '--layout', 'tp=2,pp=2,dp=4,sp,zero=1', '--global-batch', '32'];
    const said = await predicted(...words, '--report', path('page.html'));
    expect(said).toEqual(await predicted(...words));
    const page = readPage(readFileSync(path('page.html'), 'utf8'));
    expect(elementsOf(page, 'h1').map(readText)).toEqual(['llama-3.1-8b on 16xh100']);
    const values = elementsOf(page, 'data').map(({ attributes }) => Number(attributes.value));
    for (const value of [said.stepSeconds, said.mfu, said.memoryBytes.activations, said.time.compute])
      expect(values).toContain(value);
    expect(elementsOf(page, 'h2').map(readText)).toEqual(expect.arrayContaining(['The pipeline', 'Scaling']));
  } finally {
    remove();
  }
});

test.each<[string, string[], string, string]>([
  ['no cluster', [], '--cluster: it is missing', '8xh100'],
  ['a GPU that nobody knows', ['--cluster', '8xh1000'], 'h1000', 'h100'],
  ['ranks that are not the devices', ['--cluster', '8xh100', '--layout', 'tp=2,dp=2'], 'has 4 ranks', 'tp=2,dp=4'],
  ['a layout that cannot be made to fit', ['--cluster', '8xh100', '--layout', 'tp=3'], 'has 3 ranks', 'product is 8'],
  ['a format that the device has not', ['--cluster', '8xa100-80', '--precision', 'fp8'], 'no products in fp8', 'bf16'],
  ['a format that a core has not', ['--cluster', '1xcpu'], 'no products in bf16', '--precision fp32'],
  [
    'a microbatch of auto',
    ['--cluster', '8xh100', '--layout', 'auto', '--micro-batch', '2'],
    '--micro-batch',
    'leave it out',
  ],
  ['what is of serving', ['--cluster', '8xh100', '--rate', '2'], '--rate: it is an option of serving', '--serve'],
  ['a cluster file that is not there', ['--cluster', '/no/such.json'], '/no/such.json', 'JSON'],
  ['a page in no folder', ['--cluster', '8xh100', '--report', '/no/such/page.html'], 'does not exist', 'plan.html'],
  ['a page that is a folder', ['--cluster', '8xh100', '--report', '.'], 'it is a directory', 'plan.html'],
  ['a batch that does not divide', ['--cluster', '8xh100', '--global-batch', '12'], '12', '--global-batch'],
])('refused with the fix: %s', async (_, words, problem, fix) => {
  const { stdout, stderr, exit } = await run(...llama, ...words);
  expect({ stdout, exit }).toEqual({ stdout: '', exit: 2 });
  expect(stderr.trim()).not.toContain('\n');
  expect(stderr).toContain(problem);
  expect(stderr).toContain(fix);
});
