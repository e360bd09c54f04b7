// The program as scripts and people use it: the JSON contract, layouts that agree, resuming, generating, and being stopped.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openCheckpoint, openOptimizer } from '../src/checkpoint/hf-directory.ts';
import { contents, jsonLines, lossesOf, makeWorkplace, run, runProgram } from './cli-fixture.ts';

const place = makeWorkplace();
const { path } = place;
const temporary = path('tmp');
beforeAll(() => mkdirSync(temporary));
afterAll(() => place.remove());

const data = ['--data', path('text.txt')];
const small = ['train', ...data, '--model', path('config.json'), '--seq-len', '16', '--global-batch', '4', '--json'];
const losses = async (...argv: string[]): Promise<number[]> => {
  const { exit, stdout, stderr } = await run(...small, '--steps', '3', '--precision', 'f64', ...argv);
  expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' });
  return lossesOf(stdout);
};

test('train --json prints what the contract says, and nothing else', async () => {
  const out = path('contract');
  const argv = [...small, '--steps', '3', '--layout', 'tp=2', '--out', out, '--trace', path('trace.json')];
  const { exit, stdout, stderr } = await runProgram(argv, temporary);
  expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' });
  const lines = jsonLines(stdout);
  const last = lines.pop()!;
  expect(lines.map(({ step, tokens }) => ({ step, tokens }))).toEqual([
    { step: 1, tokens: 64 },
    { step: 2, tokens: 128 },
    { step: 3, tokens: 192 },
  ]);
  for (const line of lines) {
    expect(Object.keys(line)).toEqual(['step', 'loss', 'gradNorm', 'tokens', 'seconds']);
    for (const value of Object.values(line)) expect(value).toBeGreaterThan(0);
  }
  expect(last).toMatchObject({
    done: true,
    tokensPerSecond: expect.any(Number),
    modelFlopsPerSecond: expect.any(Number),
  });
  const { peakBytes, bytesSent, flops } = last;
  expect(peakBytes).toEqual([expect.any(Number), expect.any(Number)]);
  expect(Object.keys(bytesSent as object)).toEqual(['tp']);
  expect(last.predicted).toEqual({ peakBytes, bytesSent, flops });
  expect(existsSync(join(out, 'config.json'))).toBe(true);
  const spans = JSON.parse(readFileSync(path('trace.json'), 'utf8')) as { ph: string; pid: number }[];
  expect(new Set(spans.filter(({ ph }) => ph === 'X').map(({ pid }) => pid))).toEqual(new Set([0, 1]));
  expect(readdirSync(temporary)).toEqual([]);
});

test('bytes sent are lists by rank, with 0 where a rank takes no part', async () => {
  const { stdout } = await run(...small, '--steps', '1', '--layout', 'pp=2');
  const { bytesSent } = jsonLines(stdout).at(-1) as { bytesSent: { pp: { send: number[] } } };
  expect(bytesSent.pp.send).toHaveLength(2);
});

test('in f64 two layouts print the same losses to ten digits', async () => {
  const one = await losses('--layout', 'tp=1');
  for (const layout of ['tp=2,sp', 'dp=2', 'pp=2,schedule=gpipe']) {
    const split = await losses('--layout', layout);
    expect(split).toHaveLength(3);
    // Double precision sums in another order: about 1e-15 a step, grown by the optimizer.
    split.forEach((loss, step) => {
      expect(Math.abs(loss - one[step]!), `${layout}, step ${step + 1}`).toBeLessThan(1e-10);
    });
  }
});

test('a resumed run goes on exactly in the same layout, and to ten digits in another', async () => {
  const f64 = [...small, '--precision', 'f64', '--layout', 'dp=2', '--lr', '0.01'];
  const whole = lossesOf((await run(...f64, '--steps', '4', '--out', path('whole'))).stdout);
  // The run of four steps stopped after its second save: what a run leaves that ends early.
  const half = await runProgram(
    [...f64, '--steps', '4', '--save-every', '2', '--out', path('half')],
    temporary,
    () => {},
  );
  expect(half.exit).toBe(0);
  expect(lossesOf(half.stdout)).toEqual(whole);
  const stopped = await run(...f64, '--steps', '2', '--out', path('stopped'));
  expect(stopped.exit).toBe(0);
  cpSync(path('stopped'), path('moved'), { recursive: true });
  const goOn = (dir: string, ...argv: string[]) =>
    run('train', ...data, '--resume', path(dir), '--steps', '4', '--json', ...argv);
  const same = await goOn('stopped');
  expect(same.stderr).toBe('');
  const moved = await goOn('moved', '--layout', 'tp=2');
  expect(jsonLines(same.stdout).map(({ step }) => step)).toEqual([3, 4, undefined]);
  lossesOf(moved.stdout).forEach((loss, i) => {
    expect(Math.abs(loss - lossesOf(same.stdout)[i]!)).toBeLessThan(1e-10);
  });
});
