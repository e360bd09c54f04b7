// `fivefold plan`: what it prints for scripts and for people, and what it refuses.
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { makeWorkplace, run } from '../../test/cli-fixture.ts';
import { elementsOf, readPage, readText } from '../../test/markup.ts';
import { parseLayout } from '../mesh/layout.ts';
import { shortLayout } from '../report/short-layout.ts';

const plan = (...argv: string[]) => run('plan', '--model', 'smollm2-135m', '--train', '--seq-len', '512', ...argv);
const four = ['--cluster', '4xh100', '--global-batch', '4'];

const linesOf = (stdout: string): Record<string, unknown>[] =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

test('a line a layout, the best first, and a last one that sums up', async () => {
  const { exit, stdout, stderr } = await plan(...four, '--top', '3', '--json');
  expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' });
  const lines = linesOf(stdout);
  const [layouts, last] = [lines.slice(0, -1), lines.at(-1)!];
  expect(layouts.map(({ rank }) => rank)).toEqual([1, 2, 3]);
  expect(layouts.map(({ fits }) => fits)).toEqual([true, true, true]);
  const seconds = layouts.map(({ stepSeconds }) => stepSeconds as number);
  expect(seconds).toEqual(seconds.toSorted((a, b) => a - b));
  expect(last.done).toBe(true);
  expect(last.pruned as number).toBeLessThan(last.judged as number);
  expect(last.because).toContain(String(layouts[0]!.layout));
  // What plan says of a layout is what predict says.
  const { layout, microBatch, stepSeconds, memoryBytes } = layouts[0]!;
  const predicted = await run(
    'predict',
    '--model',
    'smollm2-135m',
    '--seq-len',
    '512',
    ...four,
    '--layout',
    String(layout),
    '--micro-batch',
    String(microBatch),
    '--json',
  );
  expect(JSON.parse(predicted.stdout)).toMatchObject({ stepSeconds, memoryBytes });
});

test('--report writes a page: the same layouts, why the first is best, and the front', async () => {
  const { path, remove } = makeWorkplace();
  try {
    const { exit, stdout } = await plan(...four, '--top', '3', '--json', '--report', path('plan.html'));
    expect(exit).toBe(0);
    const lines = linesOf(stdout);
    const page = readPage(readFileSync(path('plan.html'), 'utf8'));
    const [, ...rows] = elementsOf(elementsOf(page, 'table')[0]!, 'tr').map((row) => elementsOf(row));
    expect(rows.map((cells) => readText(cells.find(({ name }) => name === 'code')!))).toEqual(
      // What the page tells in short is read as the same layout.
      lines.slice(0, 3).map(({ layout }) => shortLayout({ scenario: { layout: parseLayout(String(layout)) } })),
    );
    expect(readText(page)).toContain(String(lines.at(-1)!.because));
    const values = elementsOf(page, 'data').map(({ attributes }) => Number(attributes.value));
    for (const { stepSeconds, dollarsPerMillionTokens, joulesPerToken } of lines.slice(0, 3))
      for (const value of [stepSeconds, dollarsPerMillionTokens, joulesPerToken]) expect(values).toContain(value);
    expect(elementsOf(page, 'h2').map(readText)).toEqual(
      expect.arrayContaining(['Time against memory', 'Changed in one respect', 'Rules of thumb']),
    );
  } finally {
    remove();
  }
});

test.each([
  [['--model', 'llama-tiny', '--cluster', '7xh100', '--global-batch', '4', '--seq-len', '64'], '--global-batch'],
  [['--cluster', '4xh100', '--seq-len', '100000'], '--seq-len'],
  [['--cluster', '4xa100', '--precision', 'fp8'], '--precision'],
])('%j is refused with the fix, in one line', async (argv, names) => {
  const { exit, stdout, stderr } = await plan(...argv);
  expect({ exit, stdout }).toEqual({ exit: 2, stdout: '' });
  expect(stderr.trim().split('\n')).toHaveLength(1);
  expect(stderr).toContain(names);
  expect(stderr).toMatch(/use --/);
});

test('devices of two kinds, and what waits on their hosts, are planned for and explained', async () => {
  const { path, remove } = makeWorkplace();
  try {
    const cluster = {
      name: 'both',
      devices: ['h100', 'a100'].map((device) => ({ count: 2, device })),
      tiers: [{ name: 'node', link: 'nvlink-3', devices: 4, bytesPerSecond: 300e9 }],
      host: { memoryBytes: 1e12, memoryBytesPerSecond: 2e11, devices: 4 },
    };
    writeFileSync(path('both.json'), JSON.stringify(cluster));
    const asked = ['--set', 'num_hidden_layers=4', '--cluster', path('both.json'), '--global-batch', '4'];
    for (const offload of [[], ['--offload', 'optimizer']]) {
      const { exit, stdout, stderr } = await plan(...asked, ...offload, '--json');
      expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' });
      const lines = linesOf(stdout);
      const { layout, stepSeconds } = lines[0]!;
      writeFileSync(path('plan.json'), stdout);
      const explained = await run('explain', path('plan.json'), '--json');
      expect(explained.exit).toBe(0);
      expect(JSON.parse(explained.stdout)).toMatchObject({ layout, stepSeconds, isBest: true });
    }
  } finally {
    remove();
  }
});

test('what fits in no layout has on the hosts what it takes; with nothing there it is told what would make it fit', async () => {
  const words = ['plan', '--model', 'llama-3.1-8b', '--cluster', '1xh100', '--seq-len', '4096', '--global-batch', '2'];
  const none = await run(...words, '--train', '--offload', 'none');
  expect(none.exit).toBe(2);
  expect(none.stderr).toMatch(/ GB too few; use about \d+ devices, or devices of \d+ GB, or leave --offload out$/m);
  const { stdout } = await run(...words, '--train', '--json');
  const lines = linesOf(stdout);
  const [best] = lines;
  expect(best).toMatchObject({ rank: 1, fits: true, offload: expect.stringContaining('optimizer') });
  expect(lines.at(-1)!.because).toContain('With nothing on the hosts (--offload none) no layout fits.');
  const layout = ['--layout', String(best!.layout), '--offload', String(best!.offload)];
  const given = ['--micro-batch', String(best!.microBatch), '--json'];
  const { stdout: predicted } = await run('predict', ...words.slice(1), ...layout, ...given);
  expect(JSON.parse(predicted)).toMatchObject({ stepSeconds: best!.stepSeconds, memoryBytes: best!.memoryBytes });
});
