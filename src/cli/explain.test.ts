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
    expect(said.isBest).toBe(true);
    expect(said.alternatives.length).toBeGreaterThan(3);
    expect(said.answers.map(({ change }: { change: string }) => change)).toContain('memory half as large');
    expect(said.rules).toContainEqual(expect.objectContaining({ rule: 'start with dp', follows: true }));
  });

  test('for people: sections of bars and tables', async () => {
    const { exit, stdout } = await run('explain', path('plan.json'));
    expect(exit).toBe(0);
    for (const words of [
      /^smollm2-135m on 2xh100 /,
      /compute +[\d.]+ m?s +[\d.]+ % +█/,
      /^Bound by (weights|work|state): .*\d+ %/m,
      /^Why it is the best\nThe runner-up, .* slower\.$/m,
      /^Changed in one respect\ninstead +step +gains +pays$/m,
      /^If it were otherwise\nwith +the best +step +this layout$/m,
      /^Rules of thumb\nfollows {2}start with dp: /m,
    ])
      expect(stdout).toMatch(words);
  });

  test('whose seconds this version does not predict is refused', async () => {
    const { stepSeconds } = JSON.parse(plan[0]!);
    writeFileSync(path('other.json'), [plan[0]!.replace(`${stepSeconds}`, '9.5'), ...plan.slice(1)].join('\n'));
    const { exit, stderr } = await run('explain', path('other.json'));
    expect(exit).toBe(2);
    expect(stderr).toMatch(/^fivefold: [^\n]*takes 9\.50 s, and is predicted to take [^\n]*; run plan --json again\n$/);
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
    expect(said.answers[0].change).toBe('box links twice as fast');
  });
});

test('of a layout that is not the best: what is better, and what its rules would take', async () => {
  const layout = ['--layout', 'cp=2'];
  const said = await explained(...asked, ...layout);
  const predicted = await run('predict', ...asked, ...layout, '--micro-batch', '1', '--json');
  const { stepSeconds, mfu, fits, memoryBytes, time } = JSON.parse(predicted.stdout);
  expect(said).toMatchObject({ stepSeconds, mfu, fits, memoryBytes, time });
  expect(said.isBest).toBe(false);
  expect(said.rival.slower).toBeLessThan(0);
  expect(said.rival.layout).toBe(JSON.parse(plan[0]!).layout);
  const broken = said.rules.find(({ rule }: { rule: string }) => rule === 'start with dp');
  expect(broken).toMatchObject({ follows: false, because: expect.stringMatching(/takes [\d.]+ % less/) });
  expect((await run('explain', ...asked, ...layout)).stdout).toMatch(/^What is better\n.* faster\.$/m);
});

describe('of a plan of serving', () => {
  const serving = ['--model', 'llama-3.1-8b', '--cluster', '2xh100', '--serve', '--tpot', '20ms'];
  const written = async (...words: string[]): Promise<string[]> => {
    const { stdout } = await run('plan', ...serving, ...words, '--top', '2', '--json');
    writeFileSync(path('serving.json'), stdout);
    return stdout.trim().split('\n');
  };

  test('its best deployment, against its second, and what would change the answer', async () => {
    const [best, second, last] = (await written()).map((line) => JSON.parse(line));
    const said = await explained(path('serving.json'));
    const { rank: _, bottleneck: __, ...same } = best;
    expect(said).toMatchObject(same);
    expect(last.because).toContain(`is bound by ${said.bottleneck}: `);
    expect(said.rival.layout).toBe(second.layout);
    const sum = (Object.values(said.deviceSeconds) as number[]).reduce((a, b) => a + b);
    // They are all of the devices' time; the sum is in another order.
    expect(sum * best.outputTokensPerSecond).toBeCloseTo(2, 9);
    const answer = (name: string) => said.answers.find(({ change }: { change: string }) => change === name);
    const half = answer('the time of a token half as long');
    expect(half.best.secondsPerOutputToken.mean).toBeLessThanOrEqual(0.01);
    expect(half.best.outputTokensPerSecond).toBeLessThan(best.outputTokensPerSecond);
    expect(answer('memory twice as large').best.outputTokensPerSecond).toBeGreaterThanOrEqual(
      best.outputTokensPerSecond,
    );
    expect(answer('memory half as large').best.memoryBytes.cache).toBeLessThan(best.memoryBytes.cache);
    const replicas = { rule: 'replicas where the model fits a device', follows: best.layout === 'tp=1,instances=2' };
    expect(said.rules).toEqual([expect.objectContaining(replicas)]);
  });

  test('of the best that it finds itself, without a plan', async () => {
    await written();
    expect(await explained(...serving)).toEqual(await explained(path('serving.json')));
  });

  test('for people: bars, tables and sentences', async () => {
    await written('--speculate', '2:0.6');
    const { exit, stdout } = await run('explain', path('serving.json'));
    expect(exit).toBe(0);
    for (const words of [
      /^llama-3\.1-8b on 2 × /,
      /^every iteration checks 2 drafted tokens/m,
      /^matrix products +[\d.]+ ms +[\d.]+ % +█/m,
      /^Bound by (weights|work|state): [\d.]+ % of the devices' time goes into /m,
      /^Why it is the best\nThe runner-up, /m,
      /^reading prompts +[\d.]+ µs +[\d.]+ µs +[+-]/m,
      /^If it were otherwise\nwith +the best +GPUs/m,
      /^Rules of thumb\nfollows {2}replicas where/m,
    ])
      expect(stdout).toMatch(words);
  });

  test('of a rate: other devices where the targets are others', async () => {
    const [best] = (await written('--rate', '10')).map((line) => JSON.parse(line));
    const said = await explained(path('serving.json'));
    expect(said).toMatchObject({
      layout: best.layout,
      devices: best.devices,
      secondsToFirstToken: best.secondsToFirstToken,
    });
    for (const { best: other } of said.answers) if (other) expect(other.requestsPerSecond).toBe(10);
  });

  test.each([
    ['a layout that cannot be', /"layout":"[^"]*"/, '"layout":"tp=3"', 'does not divide the heads'],
    ['more devices than there are', /"layout":"[^"]*"/, '"layout":"tp=4"', 'takes 4 devices'],
    ['no load', /"concurrency":\d+/, '"concurrency":0', 'line 1 is none of a plan of serving (concurrency'],
    ['a draft that is none', /"engine"/, '"speculate":"7","engine"', 'none of a plan of serving (asked.speculate'],
  ])('with %s it is refused in one line', async (_, before, after, problem) => {
    const lines = await written();
    writeFileSync(path('damaged.json'), lines.map((line) => line.replace(before, after)).join('\n'));
    const { exit, stdout, stderr } = await run('explain', path('damaged.json'));
    expect({ exit, stdout }).toEqual({ exit: 2, stdout: '' });
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toContain(problem);
  });
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
    software: 'tuned',
    objective: 'time',
  });
});
