// `fivefold plan --claim`: what it says of speeds that cannot be, that nobody reaches, and that are easy.
import { expect, test } from 'vitest';
import { jsonLines, run } from '../../test/cli-fixture.ts';

const small = ['--model', 'smollm2-135m', '--seq-len', '512', '--global-batch', '8'];

const judged = async (claim: string, ...words: string[]) => {
  const { exit, stdout, stderr } = await run('plan', '--claim', claim, ...words, '--json');
  expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' });
  return jsonLines(stdout);
};

test.each<[string, string[], string, RegExp]>([
  ['10M tokens/s on 2 H100', [], 'impossible', /take [4-9]\d\d\.\d % .* nothing does more than its peak/],
  [
    '900k tokens/s/GPU on 2 H100',
    ['--precision', 'bf16'],
    'beyond measured',
    /most that anybody has published is 58\.5 %/,
  ],
  [
    '400k tokens/s/GPU on 2 H100',
    ['--precision', 'bf16'],
    'out of reach',
    /(compute|links|waiting).* stands? in the way/,
  ],
  ['10k tokens/s on 2 H100', [], 'easy', /comes to \d+ tokens\/s a device, .* more/],
  ['3 trillion tokens in 20 hours on 2 H100', [], 'impossible', /impossible|nothing does more/],
])('%s %j: %s', async (claim, words, verdict, because) => {
  const last = (await judged(claim, ...small, ...words)).at(-1)!;
  expect(last).toMatchObject({ done: true, verdict, because: expect.stringMatching(because), unread: [] });
});

test('what is claimed of the best layout is what plan predicts of it', async () => {
  const lines = await judged('100k tokens/s/GPU on 2 H100 in bf16', ...small, '--top', '1');
  expect(lines.map(({ format }) => format)).toEqual(['bf16', 'fp8', undefined]);
  const [{ layouts, mfu }] = lines as [
    { layouts: { stepSeconds: number; mfu: number; tokensPerSecondPerGpu: number }[]; mfu: number },
  ];
  const [best] = layouts;
  const { stdout } = await run('plan', '--train', ...small, '--cluster', '2xh100', '--top', '1', '--json');
  expect(best).toMatchObject({ stepSeconds: jsonLines(stdout)[0]!.stepSeconds });
  // FLOPs of a token are the same on both sides.
  expect(mfu / 100_000).toBeCloseTo(best!.mfu / best!.tokensPerSecondPerGpu, 12);
});

test('without a model: how large one can be', async () => {
  const [bf16, fp8] = await judged('8M tokens/s on 1024 H100');
  // 989.4 TFLOP/s over 6 FLOPs a parameter and 7,812.5 tokens/s a device.
  expect((bf16!.mostParameters as number) / 1e9).toBeCloseTo(989.4e12 / (6 * 7812.5) / 1e9, 6);
  expect(fp8!.mostParameters as number).toBeGreaterThan(bf16!.mostParameters as number);
  const { stdout } = await run('plan', '--claim', '70% MFU on 8 H100');
  expect(stdout).toMatch(/70\.0 % of the peak of products in bf16, more than anybody has published/);
});

test('for people: a table of formats, and why', async () => {
  const { stdout } = await run(
    'plan',
    '--claim',
    '10k tokens/s/GPU on 2 H100 with smollm2-135m and magic',
    '--seq-len',
    '512',
    '--global-batch',
    '8',
  );
  expect(stdout).toContain('of smollm2-135m: easy');
  expect(stdout).toMatch(/bf16 +[\d.]+ % +58\.5 % +easy +\d+ /);
  expect(stdout).toContain('not read: magic');
});

test.each<[string, string[], string, string]>([
  ['a sentence without a speed', ['--claim', 'fast'], '--claim: "fast" says no speed', '8M tokens/s on 1024 H100'],
  [
    'two claims at once',
    ['--claim', '8M tokens/s at 43% MFU on 1024 H100'],
    'says "43% MFU" besides',
    'judge one at a time',
  ],
  ['no devices', ['--claim', '8M tokens/s'], 'names no devices', '--cluster'],
  [
    'other devices',
    ['--claim', '8M tokens/s on 64 H100', '--cluster', '8xh100'],
    '8 devices and the claim is of 64',
    'leave it out',
  ],
  [
    'training as well',
    ['--claim', '8M tokens/s on 64 H100', '--train'],
    '--train: it is given with --claim',
    'leave one',
  ],
  ['a GPU that nobody knows', ['--claim', '8M tokens/s on 64 X900'], 'x900', 'catalogue'],
  ['products the device has not', ['--claim', '40% MFU on 8 A100', '--precision', 'fp8'], 'no products in fp8', 'bf16'],
  [
    'a deadline without tokens',
    [...small, '--cluster', '2xh100', '--train', '--deadline', '90d'],
    '--deadline',
    'add --tokens',
  ],
  ['no number of tokens', ['--train', '--tokens', 'many'], '"many" is not how many', '15T'],
])('refused with the fix: %s', async (_, words, problem, fix) => {
  const { stdout, stderr, exit } = await run('plan', ...words, '--json');
  expect({ stdout, exit }).toEqual({ stdout: '', exit: 2 });
  expect(stderr.trim()).not.toContain('\n');
  expect(stderr).toContain(problem);
  expect(stderr).toContain(fix);
});

const tiny = ['--model', 'llama-tiny', '--seq-len', '64', '--cluster', '4xh100', '--global-batch', '4', '--train'];

test('--tokens: what the whole training takes; --deadline: on the fewest devices', async () => {
  const training = async (...words: string[]) => {
    const { stdout, exit } = await run('plan', ...tiny, '--top', '1', '--json', ...words);
    expect(exit).toBe(0);
    const [best, last] = jsonLines(stdout) as [{ stepSeconds: number }, { training: Record<string, number> }];
    return { best, training: last.training };
  };
  const whole = await training('--tokens', '1B');
  const { seconds, devices, deviceHours, dollars } = whole.training;
  expect(seconds! / ((1e9 / 256) * whole.best.stepSeconds)).toBeCloseTo(1, 9);
  expect(devices).toBe(4);
  expect(deviceHours).toBeCloseTo((4 * seconds!) / 3600, 9);
  expect(dollars! / deviceHours!).toBeCloseTo(3.49, 9);
  const one = await training('--tokens', '1B', '--deadline', '7d');
  expect(one.training.devices).toBe(1);
  expect(one.training.seconds!).toBeLessThan(7 * 86_400);
});

test('a deadline that the whole cluster misses is refused, with how close it comes', async () => {
  const { stderr, exit } = await run('plan', ...tiny, '--tokens', '1B', '--deadline', '1min', '--json');
  expect(exit).toBe(2);
  expect(stderr).toMatch(
    /--deadline: all of 4xh100 is too little: .* takes .* for 1\.00 B tokens, not 1 min 00 s; use --deadline .*d, about \d+ devices/,
  );
});
