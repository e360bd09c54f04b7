// The program as scripts and people use it: the JSON contract, layouts that agree, resuming, generating, and being stopped.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readManifest } from '../src/checkpoint/commit.ts';
import { Stopped } from '../src/cli/io.ts';
import { jsonLines, lossesOf, makeWorkplace, run, runProgram, runWith } from './cli-fixture.ts';

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
  const { bytesSent, flops } = last;
  expect(Object.keys(bytesSent as object)).toEqual(['tp']);
  const numbers = [expect.any(Number), expect.any(Number)];
  expect(last.predicted).toEqual({ peakBytes: numbers, processBytes: expect.any(Number), bytesSent, flops });
  expect(last.processBytes).toBeGreaterThan(0);
  expect(last.peakBytes).toEqual((last.predicted as { peakBytes: number[] }).peakBytes);
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

test('Ctrl-C leaves the last checkpoint whole; from it the same layout goes on bit by bit, another to ten digits', async () => {
  const f64 = [...small, '--precision', 'f64', '--layout', 'dp=2', '--steps', '150', '--warmup', '4'];
  const argv = [...f64, '--save-every', '1', '--out', path('stopped')];
  const stopped = await runProgram(argv, temporary, (line, kill) => {
    if (line.includes('"step":3,')) kill('SIGINT');
  });
  expect(stopped.exit, stopped.stderr).toBe(130);
  const step = readManifest(path('stopped'))!.step as number;
  expect(step).toBeGreaterThanOrEqual(2);
  expect(step).toBeLessThan(150);
  expect(stopped.stderr).toMatch(/^fivefold: stopped by Ctrl-C; .+\n$/);
  expect(stopped.stderr).toContain(`the last checkpoint, step ${step}, is in ${path('stopped')}; go on with: `);
  expect(stopped.stderr).toContain(`train --resume ${path('stopped')}\n`);
  expect(readdirSync(temporary)).toEqual([]);
  expect(existsSync(join(path('stopped'), 'flight-recorders'))).toBe(false);

  // Some steps more; the schedule stays that of all 150.
  const last = `${step + 10}`;
  const whole = lossesOf((await run(...f64, '--steps', last, '--decay-steps', '150')).stdout);
  cpSync(path('stopped'), path('moved'), { recursive: true });
  const goOn = async (dir: string, ...argv: string[]) => {
    const { exit, stdout, stderr } = await run(
      'train',
      ...data,
      '--resume',
      path(dir),
      '--steps',
      last,
      '--json',
      ...argv,
    );
    expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' });
    return lossesOf(stdout);
  };
  expect(await goOn('stopped')).toEqual(whole.slice(step));
  const moved = await goOn('moved', '--layout', 'tp=2');
  expect(moved).toHaveLength(10);
  for (const [i, loss] of moved.entries()) expect(Math.abs(loss - whole[step + i]!)).toBeLessThan(1e-10);
});

test('a stop before anything was saved says so, and by SIGTERM ends with 143', async () => {
  const signal = AbortSignal.abort(new Stopped('SIGTERM'));
  const { exit, stdout, stderr } = await runWith(signal, ...small, '--steps', '2');
  expect({ exit, stdout }).toEqual({ exit: 143, stdout: '' });
  expect(stderr).toMatch(/^fivefold: stopped by SIGTERM.*\n$/);
});

test('generate goes on with a text: the same on every layout, one line a token with --json', async () => {
  expect((await run(...small, '--steps', '2', '--out', path('model'))).exit).toBe(0);
  const argv = ['generate', '--model', path('model'), '--prompt', 'What do', '--max-tokens', '6', '--precision', 'f64'];
  const json = await run(...argv, '--json');
  expect({ exit: json.exit, stderr: json.stderr }).toEqual({ exit: 0, stderr: '' });
  const lines = jsonLines(json.stdout);
  const last = lines.pop()!;
  expect(lines).toHaveLength(6);
  expect(last).toMatchObject({
    done: true,
    tokens: 6,
    seconds: expect.any(Number),
    tokensPerSecond: expect.any(Number),
  });
  const said = last.text as string;
  // What never became a character is in the text alone.
  expect(said.startsWith(lines.map(({ text }) => text).join(''))).toBe(true);
  for (const layout of ['tp=2', 'pp=2']) expect((await run(...argv, '--layout', layout)).stdout).toBe(`${said}\n`);
  const others = await run(...argv, '--seed', '1', '--json');
  expect(jsonLines(others.stdout).at(-1)!.text).not.toBe(said);
});

test('without --json: a table of what was predicted and measured, and commands to go on with', async () => {
  const { exit, stdout, stderr } = await run(
    ...small.slice(0, -1),
    '--steps',
    '2',
    '--layout',
    'tp=2',
    '--out',
    path('people'),
  );
  expect(exit).toBe(0);
  expect(stderr).toContain('2 ranks (tp=2)');
  expect(stderr).toContain('step 2/2');
  expect(stdout).toContain('peak memory');
  for (const row of ['bytes sent, tp all-reduce', 'matrix FLOPs'])
    expect(stdout.split('\n').find((line) => line.startsWith(row))).toMatch(/ all .* none$/);
  expect(stdout).toContain(`generate --model ${path('people')} --prompt`);
  expect(stdout).toContain(`train --resume ${path('people')} --steps 4`);
});

test('a failure between ranks ends with 1 and names the flight recorders of all ranks', async () => {
  const out = path('failed');
  const { exit, stderr } = await run(...small, '--steps', '2', '--layout', 'dp=2', '--timeout', '1e-4', '--out', out);
  expect(exit).toBe(1);
  const recorders = join(out, 'flight-recorders');
  expect(stderr).toMatch(/^fivefold: .*rank \d.*\n$/);
  expect(stderr).toContain(recorders);
  expect(readdirSync(recorders)).toEqual(['rank-0.json', 'rank-1.json']);
  // No checkpoint came of it, so the directory holds no run.
  expect((await run(...small, '--steps', '1', '--out', out)).exit).toBe(0);
});

test('training that diverges ends with 1, the step and what to change', async () => {
  const { exit, stderr } = await run(...small, '--steps', '20', '--lr', '1e300', '--out', path('diverged'));
  expect(exit).toBe(1);
  expect(stderr).toMatch(/^fivefold: .*step \d+ ended with loss NaN .* use a lower --lr\n$/);
  // Its settings and figures stay, to see what went wrong; no checkpoint does.
  expect(readManifest(path('diverged'))).toBeUndefined();
  expect(readdirSync(path('diverged')).sort()).toEqual(['metrics.jsonl', 'run.json']);
  // With a step that was saved, it is named.
  expect((await run(...small, '--steps', '1', '--out', path('diverged'))).exit).toBe(0);
  const resumed = await run('train', '--resume', path('diverged'), '--steps', '9', '--lr', '1e300', '--json');
  expect(resumed.exit).toBe(1);
  expect(resumed.stderr).toContain(`use a lower --lr, or go on with --resume ${path('diverged')} and a lower one\n`);
});

test('scale --json: a line a layout, and what one rank took', async () => {
  const argv = ['scale', '--model', path('config.json'), '--seq-len', '16', '--global-batch', '4', '--max-ranks', '2'];
  const { exit, stdout, stderr } = await run(...argv, '--steps', '2', '--repeats', '1', '--json');
  expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' });
  const lines = jsonLines(stdout);
  const last = lines.pop()!;
  expect(last).toMatchObject({ done: true, cores: expect.any(Number), oneRankSeconds: expect.any(Number) });
  expect(lines.map(({ layout }) => layout)).toEqual(['dp=2', 'tp=2', 'cp=2', 'pp=2']);
  for (const { ranks, stepSeconds, speedup, efficiency, serialFraction, communicationShare } of lines as Record<
    string,
    number
  >[]) {
    expect(speedup! * stepSeconds!).toBeCloseTo(last.oneRankSeconds as number, 9);
    expect(efficiency! * ranks!).toBeCloseTo(speedup!, 9);
    expect(serialFraction).toBeCloseTo((1 / speedup! - 1 / 2) / (1 / 2), 9);
    expect(communicationShare).toBeGreaterThan(0);
    expect(communicationShare).toBeLessThan(1);
  }
});

test('scale --axis pp compares schedules, and says what of each is idle', async () => {
  const argv = ['scale', '--axis', 'pp', '--model', path('config.json'), '--seq-len', '16', '--global-batch', '4'];
  const { exit, stdout, stderr } = await run(...argv, '--max-ranks', '2', '--steps', '2', '--repeats', '1', '--json');
  expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' });
  const lines = jsonLines(stdout).slice(0, -1);
  // Two layers are too few for two chunks on each of two stages.
  expect(lines.map(({ layout }) => layout)).toEqual(['pp=2', 'pp=2,schedule=zb-h1']);
  for (const { idleShare, playedIdleShare, estimatedSeconds } of lines as Record<string, number>[])
    for (const value of [idleShare, playedIdleShare, estimatedSeconds]) expect(value).toBeGreaterThan(0);
});

test('help: every command has options and examples; none is asked for by its name alone', async () => {
  const { exit, stdout } = await run();
  expect(exit).toBe(0);
  for (const command of ['train', 'generate', 'scale', 'describe', 'demo']) {
    expect(stdout).toContain(`${command} [options]`);
    const help = await run(command, '--help');
    expect({ exit: help.exit, stderr: help.stderr }).toEqual({ exit: 0, stderr: '' });
    expect(help.stdout).toMatch(/Examples?:\n {2}\$ fivefold /);
  }
});

test('demo trains, saves, writes a sample and says what to try next; a second one keeps the first', async () => {
  const folder = path('demo');
  mkdirSync(join(folder, 'runs', 'demo-1'), { recursive: true });
  const { exit, stdout } = await runProgram(['demo', '--seconds', '1'], folder);
  expect(exit).toBe(0);
  expect(readdirSync(folder)).toEqual(['runs']);
  expect(readdirSync(join(folder, 'runs'))).toEqual(['demo-1', 'demo-2']);
  expect(readdirSync(join(folder, 'runs', 'demo-1'))).toEqual([]);
  const out = join('runs', 'demo-2');
  expect(readManifest(join(folder, out))).toMatchObject({ step: 20, run: { steps: 20 } });
  expect(stdout.split('\n').find((line) => line.startsWith('matrix FLOPs'))).toMatch(/ all .* none$/);
  const command = stdout.split('\n').find((line) => line.includes(' train --resume '))!;
  const words = command.slice(command.indexOf('train')).trim().split(' ');
  const goOn = await runProgram([...words.slice(0, -1), '21', '--json'], folder);
  expect(goOn.exit).toBe(0);
  expect(goOn.stderr).toMatch(/^the run was planned for 20 steps; .+\n$/);
  expect(jsonLines(goOn.stdout).map(({ step }) => step)).toEqual([21, undefined]);
});

test('bad input through the real program: status 2, one line, nothing left in the temporary folder', async () => {
  const { exit, stdout, stderr } = await runProgram([...small, '--layout', 'tp=3'], temporary);
  expect({ exit, stdout }).toEqual({ exit: 2, stdout: '' });
  expect(stderr).toMatch(/^fivefold: tp=3 does not divide the attention heads \(4\); use tp=2 or tp=4\n$/);
  expect(readdirSync(temporary)).toEqual([]);
});
