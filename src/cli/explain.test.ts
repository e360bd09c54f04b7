// `fivefold explain`: a plan's file stands alone, what is said of a layout is what predict says, and what is no plan is refused.
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeWorkplace, run } from '../../test/cli-fixture.ts';

const { path, remove } = makeWorkplace();
afterAll(remove);

const asked = ['--model', 'smollm2-135m', '--cluster', '2xh100', '--seq-len', '2048', '--global-batch', '8'];
let plan: string[];
beforeAll(async () => {
  const { stdout } = await run('plan', ...asked, '--train', '--top', '2', '--json');
  plan = stdout.trim().split('\n');
  writeFileSync(path('plan.json'), stdout);
});

async function explained(...words: string[]) {
  const { exit, stdout, stderr } = await run('explain', ...words, '--json');
  expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' });
  expect(stdout.trim()).not.toContain('\n');
  return JSON.parse(stdout);
}

describe('of a plan', () => {
  test('its best layout, against its second', async () => {
    const said = await explained(path('plan.json'));
    const [best, second] = plan.map((line) => JSON.parse(line));
    const { layout, microBatch, stepSeconds, memoryBytes, time } = best;
    expect(said).toMatchObject({ layout, microBatch, stepSeconds, memoryBytes, time });
    expect(said.rival).toMatchObject({ layout: second.layout, stepSeconds: second.stepSeconds });
    expect(said.rival.slower).toBe(second.stepSeconds / stepSeconds - 1);
    expect(['weights', 'work', 'state']).toContain(said.bottleneck);
    expect(said.alternatives.length).toBeGreaterThan(3);
    expect(said.answers.map(({ change }: { change: string }) => change)).toContain('memory half as large');
    expect(said.rules).toContainEqual(expect.objectContaining({ rule: 'start with dp', follows: true }));
  });

  test('for people: sections of bars and tables', async () => {
    const { exit, stdout } = await run('explain', path('plan.json'));
    expect(exit).toBe(0);
    for (const words of [
      /compute +[\d.]+ m?s +[\d.]+ % +█/,
      /^Bound by (weights|work|state): .*\d+ %/m,
      /^Why it is the best\nThe runner-up, .* slower\.$/m,
      /^Changed in one respect\ninstead +step +gains +pays$/m,
      /^If it were otherwise\nwith +the best +step +this layout$/m,
      /^Rules of thumb\nfollows {2}start with dp: /m,
    ])
      expect(stdout).toMatch(words);
  });

  test('of a model and a cluster in files that are gone since', async () => {
    const tiers = [{ name: 'box', link: 'pcie', devices: 2, bytesPerSecond: 30e9 }];
    writeFileSync(path('ours.json'), JSON.stringify({ name: 'ours', devices: [{ count: 2, device: 'h100' }], tiers }));
    const words = ['--model', path('config.json'), '--cluster', path('ours.json'), '--seq-len', '64'];
    const { stdout } = await run('plan', ...words, '--global-batch', '2', '--train', '--json');
    writeFileSync(path('own.json'), stdout.replaceAll(path('config.json'), '/gone.json'));
    writeFileSync(path('ours.json'), '{}');
    const said = await explained(path('own.json'));
    expect(said.stepSeconds).toBe(JSON.parse(stdout.split('\n')[0]!).stepSeconds);
    expect(said.answers[0].change).toBe('links of the box twice as fast');
  });
});

test('of a layout that is not the best: what is better, and what its rules would take', async () => {
  const layout = ['--layout', 'cp=2'];
  const said = await explained(...asked, ...layout);
  const predicted = await run('predict', ...asked, ...layout, '--micro-batch', '1', '--json');
  expect(said).toMatchObject(JSON.parse(predicted.stdout));
  expect(said.rival.slower).toBeLessThan(0);
  expect(said.rival.layout).toBe(JSON.parse(plan[0]!).layout);
  const broken = said.rules.find(({ rule }: { rule: string }) => rule === 'start with dp');
  expect(broken).toMatchObject({ follows: false, because: expect.stringMatching(/takes [\d.]+ % less/) });
  expect((await run('explain', ...asked, ...layout)).stdout).toMatch(/^What is better\n.* faster\.$/m);
});

const damaged: [string, (lines: string[]) => string[], string][] = [
  ['nothing', () => [], 'fewer than the two lines'],
  ['no last line', (lines) => lines.slice(0, -1), 'line 2'],
  ['half a line', (lines) => [lines[0]!.slice(0, 50), ...lines.slice(1)], 'line 1'],
  ['text', () => ['a', 'b'], 'line 2'],
  ['another JSON', () => ['{"step":1,"loss":3}', '{"done":true}'], 'line 2 is none of a plan of training (asked'],
  [
    'another layout',
    (lines) => [lines[0]!.replace(/"layout":"[^"]*"/, '"layout":"tp=3"'), ...lines.slice(1)],
    'tp=3 has 3 ranks',
  ],
  ['an unknown GPU', (lines) => lines.map((line) => line.replace('2xh100', '2xh1000')), 'h1000'],
];

test.each(damaged)('a file of %s is refused in one line', async (_, damage, problem) => {
  writeFileSync(path('damaged.json'), damage(plan).join('\n'));
  const { exit, stdout, stderr } = await run('explain', path('damaged.json'));
  expect({ exit, stdout }).toEqual({ exit: 2, stdout: '' });
  expect(stderr.trim().split('\n')).toHaveLength(1);
  expect(stderr).toContain(problem);
});

test.each([
  [['/no/such/plan.json'], '/no/such/plan.json: it does not exist'],
  [['plan.json', '--seq-len', '64'], '--seq-len: what was asked stands in the plan; leave --seq-len out'],
  [['plan.json', '--layout', 'tp=2'], '--layout'],
  [['--cluster', '2xh100'], '--model: it is missing'],
  [['--model', 'gpt2', '--cluster', '2xh100', '--layout', 'tp=4'], 'has 4 ranks'],
])('%j is refused with the fix, in one line', async (argv, problem) => {
  const words = argv.map((word) => (word === 'plan.json' ? path(word) : word));
  const { exit, stdout, stderr } = await run('explain', ...words);
  expect({ exit, stdout }).toEqual({ exit: 2, stdout: '' });
  expect(stderr.trim().split('\n')).toHaveLength(1);
  expect(stderr).toContain(problem);
});

test("plan's lines are read back as they are", () => {
  expect(readFileSync(path('plan.json'), 'utf8').trim().split('\n')).toEqual(plan);
  expect(JSON.parse(plan.at(-1)!).asked).toEqual({
    model: 'smollm2-135m',
    set: [],
    cluster: { name: '2xh100' },
    seqLen: 2048,
    globalBatch: 8,
    precision: 'bf16',
    objective: 'time',
  });
});
