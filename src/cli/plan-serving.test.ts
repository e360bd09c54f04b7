// `fivefold plan --serve` and `predict --serve`: what they print, that they agree, and what they refuse.
import { expect, test } from 'vitest';
import { jsonLines, run } from '../../test/cli-fixture.ts';

const eight = ['--model', 'llama-3.1-8b', '--cluster', '8xh100', '--serve'];

interface Line {
  readonly layout: string;
  readonly devices: number;
  readonly concurrency: number;
  readonly secondsToFirstToken: { readonly mean: number };
  readonly secondsPerOutputToken: { readonly mean: number };
  readonly requestsPerSecond: number;
  readonly goodRequestsPerSecond?: number;
  readonly outputTokensPerSecond: number;
  readonly outputTokensPerSecondPerGpu: number;
  readonly dollarsPerMillionTokens: number;
  readonly iteration: Readonly<Record<string, number>>;
}

async function planned(...words: string[]): Promise<{ layouts: Line[]; last: Record<string, unknown> }> {
  const { exit, stdout, stderr } = await run('plan', ...eight, ...words, '--json');
  expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' });
  const lines = jsonLines(stdout);
  return { layouts: lines.slice(0, -1) as unknown as Line[], last: lines.at(-1)! };
}

test('a line a layout, the best first, all within the targets; predict says the same of it', async () => {
  const { layouts, last } = await planned('--top', '3', '--tpot', '20ms', '--ttft', '1s');
  expect(layouts).toHaveLength(3);
  for (const { secondsToFirstToken, secondsPerOutputToken } of layouts) {
    expect(secondsToFirstToken.mean).toBeLessThanOrEqual(1);
    expect(secondsPerOutputToken.mean).toBeLessThanOrEqual(0.02);
  }
  const rates = layouts.map(({ outputTokensPerSecond }) => outputTokensPerSecond);
  expect(rates).toEqual(rates.toSorted((a, b) => b - a));
  const [best] = layouts as [Line];
  expect(best.outputTokensPerSecondPerGpu * 8).toBeCloseTo(best.outputTokensPerSecond, 6);
  // Tokens of an answer, and dollars of an hour of 8 × 3.49.
  expect(best.requestsPerSecond * 512).toBeCloseTo(best.outputTokensPerSecond, 6);
  expect((best.dollarsPerMillionTokens * best.outputTokensPerSecond * 3600) / 1e6).toBeCloseTo(8 * 3.49, 6);
  expect(last).toMatchObject({ done: true, because: expect.stringContaining(best.layout) });
  expect(last.because).toMatch(/is bound by (weights|work|state): /);
  const words = ['--layout', best.layout, '--tpot', '20ms', '--ttft', '1s', '--json'];
  const { stdout } = await run('predict', ...eight, ...words);
  const { rank: _, ...same } = best as Line & { rank: number };
  expect(jsonLines(stdout)).toEqual([same]);
});

test('auto is what plan finds best', async () => {
  const { layouts } = await planned('--top', '1');
  const { stdout } = await run('predict', ...eight, '--json');
  expect(jsonLines(stdout)[0]!.layout).toBe(layouts[0]!.layout);
});

test('narrower weights serve more, longer prompts less; a looser target never less', async () => {
  const most = async (...words: string[]) => (await planned('--top', '1', ...words)).layouts[0]!.outputTokensPerSecond;
  const usual = await most();
  expect(await most('--precision', 'fp8')).toBeGreaterThan(usual);
  expect(await most('--input-tokens', '8192')).toBeLessThan(usual);
  expect(await most('--tpot', '10ms')).toBeLessThan(usual);
});

test('--rate: the fewest devices, which keep the targets of nine in ten', async () => {
  const { layouts } = await planned('--rate', '10', '--top', '2', '--tpot', '15ms');
  const [few, next] = layouts as [Line, Line];
  expect(few.devices).toBeLessThan(8);
  expect(few.devices).toBeLessThanOrEqual(next.devices);
  expect(few.requestsPerSecond).toBe(10);
  expect(few.goodRequestsPerSecond!).toBeGreaterThanOrEqual(9);
  const more = (await planned('--rate', '40', '--top', '1', '--tpot', '15ms')).layouts[0]!;
  expect(more.devices).toBeGreaterThan(few.devices);
});

test('--speculate: tokens that are checked together come sooner, but for those that are never right', async () => {
  const alone = ['--layout', 'tp=1', '--concurrency', '8', '--json'];
  const secondsOf = async (...words: string[]): Promise<number> => {
    const { stdout } = await run('predict', ...eight, ...alone, ...words);
    return (jsonLines(stdout)[0] as unknown as Line).secondsPerOutputToken.mean;
  };
  const usual = await secondsOf();
  expect(await secondsOf('--speculate', '3:0.7')).toBeLessThan(usual);
  expect(await secondsOf('--speculate', '3:0')).toBeGreaterThan(usual);
  // Of 3 tokens with 0.7: 1 + 0.7 + 0.49 + 0.343.
  const { stdout } = await run('plan', ...eight, '--speculate', '3:0.7');
  expect(stdout).toContain('checks 3 drafted tokens, each right with 70.0 %: 2.53 tokens');
});

test('for people: a table, bars, the front, and why', async () => {
  const { stdout, exit } = await run('plan', ...eight);
  expect(exit).toBe(0);
  expect(stdout).toMatch(/^serving llama-3\.1-8b on 8xh100; /);
  expect(stdout).toMatch(/^llama-3\.1-8b on 8 × /m);
  expect(stdout).toContain('tokens/s/GPU');
  expect(stdout).toMatch(/keys and values +[\d.]+ GB +█/);
  expect(stdout).toMatch(/matrix products +[\d.]+ ms +[\d.]+ % +█/);
  expect(stdout).toContain('throughput against latency');
  expect(stdout).toMatch(/is bound by (weights|work|state): [\d.]+ % of the devices' time goes into/);
  expect(stdout).toMatch(/The runner-up, .*, gives [\d.]+ % fewer tokens a second/);
});

test('predict: what comes at random has percentiles; what has no room is told', async () => {
  const { stdout } = await run('predict', ...eight, '--layout', 'tp=1', '--rate', '20');
  expect(stdout).toMatch(/first token after [\d.]+ ms \(p50 .*, p90 .*, p99 .*\)/);
  expect(stdout).toMatch(/20 a second, of which [\d.]+ % keep both targets/);
  const large = await run('predict', ...eight, '--model', 'llama-3.1-70b', '--layout', 'tp=1', '--json');
  expect(jsonLines(large.stdout)[0]).toMatchObject({ fits: false, layout: 'tp=1,instances=8' });
});

test.each<[string, string[], string, string]>([
  ['a model that has no room', ['--model', 'llama-3.1-405b'], 'does not fit on 8xh100', '--precision fp8'],
  ['a time that nothing keeps', ['--tpot', '1ms'], '--tpot: nothing on 8xh100', 'use --tpot'],
  ['a first token that nothing keeps', ['--ttft', '10ms'], '--ttft: nothing on 8xh100', 'use --ttft'],
  ['a rate that is too much', ['--rate', '5000'], '--rate: 8xh100 is too small', 'devices'],
  ['a rate and a concurrency', ['--rate', '5', '--concurrency', '3'], '--rate', 'one of the two'],
  ['training as well', ['--train'], '--serve', 'one of the two'],
  ['an option of training', ['--seq-len', '512'], '--seq-len: it is an option of training', 'leave it out'],
  ['no time', ['--ttft', 'soon'], '"soon" is not a time', '--ttft 2s'],
  ['a format of training', ['--precision', 'tf32'], 'not served in tf32', 'bf16'],
  ['more tokens than positions', ['--model', 'gpt2', '--input-tokens', '1020'], '1024 positions', '--output-tokens'],
  ['a draft that is no draft', ['--speculate', '3'], '"3" is not', '--speculate 3:0.7'],
  ['a draft that is more than right', ['--speculate', '3:1.5'], '"3:1.5" is not', '--speculate 3:0.7'],
  ['an objective of training', ['--objective', 'memory'], '--objective', 'throughput'],
])('refused with the fix: %s', async (_, words, problem, fix) => {
  const { stdout, stderr, exit } = await run('plan', ...eight, ...words, '--json');
  expect({ stdout, exit }).toEqual({ stdout: '', exit: 2 });
  expect(stderr.trim()).not.toContain('\n');
  expect(stderr).toContain(problem);
  expect(stderr).toContain(fix);
});

test.each<[string, string, string]>([
  ['tp=3', 'does not divide the heads', 'tp=1, 2, 4'],
  ['tp=8,instances=2', 'takes 16 devices', 'larger cluster'],
  ['tp=8,zero=3', '"zero"', 'instances'],
  ['ep=2', '"ep"', 'no experts'],
  ['prefill:tp=1', 'pools apart are', 'decode:'],
  ['tp', '"tp" is not an axis', 'write it like'],
])('a layout that cannot be, %s, is refused with the fix', async (layout, problem, fix) => {
  const { stdout, stderr, exit } = await run('predict', ...eight, '--layout', layout);
  expect({ stdout, exit }).toEqual({ stdout: '', exit: 2 });
  expect(stderr).toContain(problem);
  expect(stderr).toContain(fix);
});
