// The launcher: results, reports, pools, and every way a rank can fail ends the world with the cause named.
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { FivefoldError } from '../errors.ts';
import type { Group } from '../mesh/mesh.ts';
import { runWorld, type WorldOptions } from './world.ts';
import { createPool } from './world-pool.ts';

const pool = createPool();
const folder = mkdtempSync(join(tmpdir(), 'fivefold-world-'));
afterAll(async () => {
  await pool.close();
  rmSync(folder, { recursive: true });
});

const rankModule = new URL('../../test/world-faults.ts', import.meta.url);

function run(faults: readonly string[], options: Partial<WorldOptions> = {}, timeoutSeconds = 5): Promise<unknown[]> {
  const group: Group = { axis: 'world', ranks: faults.map((_, rank) => rank) };
  return runWorld({
    plan: { size: faults.length, groups: [group], channels: [], timeoutSeconds },
    rankModule,
    jobs: faults.map((fault, rank) => ({ group, fault, value: 10 ** rank })),
    pool,
    ...options,
  });
}

async function failureOf(outcome: Promise<unknown>): Promise<FivefoldError> {
  const error = await outcome.then(
    (value) => value,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(FivefoldError);
  return error as FivefoldError;
}

test('returns what every rank returned, in order of ranks', async () => {
  expect(await run(['none', 'none', 'none'])).toEqual([111, 111, 111]);
});

test('a pool runs hundreds of worlds on the same threads', async () => {
  const own = createPool();
  const first = own.take(2);
  own.give(first);
  for (let i = 0; i < 300; i++) expect(await run(['none', 'none'], { pool: own })).toEqual([11, 11]);
  const last = own.take(2);
  expect(new Set(last)).toEqual(new Set(first));
  own.give(last);
  await own.close();
});

test('works without a pool', async () => {
  const group: Group = { axis: 'tp', ranks: [0] };
  const plan = { size: 1, groups: [group], channels: [], timeoutSeconds: 5 };
  expect(await runWorld({ plan, rankModule, jobs: [{ group, fault: 'none', value: 5 }] })).toEqual([5]);
});

test('a report arrives while its rank blocks', async () => {
  const seen: number[] = [];
  const onReport = (rank: number, message: unknown): void => {
    seen.push(rank);
    const gate = message as Int32Array;
    Atomics.store(gate, 0, 7);
    Atomics.notify(gate, 0);
  };
  expect(await run(['reportsAndBlocks', 'reportsAndBlocks'], { onReport })).toEqual([7, 7]);
  expect(seen.sort()).toEqual([0, 1]);
});

test.each([
  ['throws', /^rank 1 failed at set up: TypeError: the sky fell$/],
  ['breaks', /^rank 1 failed at set up: linear at block 1: shapes differ$/],
  ['exits', /^rank 1 failed at set up: its thread exited with status 3$/],
  ['exitsQuietly', /^rank 1 failed at set up: its thread exited with status 0$/],
  ['crashes', /^rank 1 failed at set up: thrown outside the rank function$/],
])('a rank that %s fails the world by name', async (fault, message) => {
  const error = await failureOf(run(['none', fault, 'none']));
  expect(error.message.replaceAll('before the fault', 'set up')).toMatch(message);
  expect(error.code).toBe('RANK_FAILED');
  expect(error.values.rank).toBe(1);
});

test("a rank's own error of exit status 2 keeps its code and values", async () => {
  const error = await failureOf(run(['none', 'refuses']));
  expect([error.code, error.exit, error.values.path]).toEqual(['DATA_EMPTY', 2, 'tokens.bin']);
});

test('a rank out of memory fails the world', async () => {
  const small = createPool({ resourceLimits: { maxOldGenerationSizeMb: 48 } });
  const error = await failureOf(run(['none', 'fillsMemory'], { pool: small }, 30));
  expect(error.message).toMatch(/^rank 1 failed at filling memory: .*memory limit/);
  await small.close();
});

test.each([
  ['spins', 'endless loop'],
  ['neverSettles', 'endless promise'],
])('a rank that %s without a call is named, not the one that waits for it', async (fault, site) => {
  const error = await failureOf(run(['none', fault], {}, 0.5));
  expect(error.message).toBe(`rank 1 failed at ${site}: no call and no heartbeat for 0.5 s`);
});

test('a rank that shows that it lives is waited for, longer than the time-out', async () => {
  expect(await run(['none', 'livesOn'], {}, 0.4)).toEqual([11, 11]);
});

test('a rank that returns early is named at once', async () => {
  const error = await failureOf(run(['none', 'returnsEarly'], {}, 60));
  expect(error.message).toBe(
    'ranks disagree on axis world: rank 0 called allReduce(sum) f64[1] at "final sum", rank 1 called nothing: it has finished',
  );
});

test('mismatched calls name both', async () => {
  const error = await failureOf(run(['none', 'otherCall']));
  expect(error.code).toBe('COLLECTIVE_MISMATCH');
  expect(error.message).toMatch(/allReduce\(sum\) f64\[1\] at "final sum"/);
  expect(error.message).toMatch(/barrier at "a call of its own"/);
});

const barrierCall = { op: 'barrier', axis: 'world', site: 'before the fault', finished: true };

async function recordersOf(faults: string[], timeoutSeconds?: number): Promise<Record<string, unknown>[]> {
  const recorderDir = join(folder, `recorders-${faults.join('-')}`);
  const error = await failureOf(run(faults, { recorderDir }, timeoutSeconds));
  expect(error.message).toContain(`flight recorders of all ranks: ${recorderDir}`);
  const names = faults.map((_, rank) => `rank-${rank}.json`);
  expect(readdirSync(recorderDir).sort()).toEqual(names);
  return names.map((name) => JSON.parse(readFileSync(join(recorderDir, name), 'utf8')) as Record<string, unknown>);
}

test('a failed world leaves the flight recorder of every rank, dead ones too', async () => {
  const [, dead] = await recordersOf(['none', 'exits', 'none']);
  expect(dead!.calls).toMatchObject([barrierCall]);
});

test('a rank that waited for a silent one has noted in what call', async () => {
  const [waiting] = await recordersOf(['none', 'spins', 'none'], 0.4);
  expect(waiting!.calls).toMatchObject([
    barrierCall,
    { sequence: 1, op: 'allReduce(sum)', count: 1, type: 'f64', site: 'final sum', finished: false },
  ]);
  // One of the two that wait finds the time-out and ends by itself; the other is ended, or may have had the time to end too.
  expect(waiting!.status).toMatch(
    /^rank 0 (is in allReduce\(sum\) on world with ranks 0, 1, 2 at "final sum"|has finished)$/,
  );
});

test.each([
  [
    'a channel of 2 GiB',
    [{ from: 0, to: 1, capacityBytes: 2 ** 31, messages: 1 }],
    2,
    'microBatch',
    '2.00 GiB under way to rank 1',
  ],
  ['25,000 ranks in one group', [], 25_000, 'layout', 'GiB, where 4 GiB is possible'],
])('%s is refused before a rank starts', async (_, channels, size, name, problem) => {
  const plan = {
    size,
    groups: [{ axis: 'world', ranks: Array.from({ length: size }, (_, r) => r) } as Group],
    channels,
    timeoutSeconds: 5,
  };
  const started = (): never => expect.fail('a rank was started');
  const never = {
    take: started,
    give: () => {},
    takeHeaps: started,
    giveHeaps: () => {},
    close: async () => {},
  };
  const error = await failureOf(runWorld({ plan, rankModule, jobs: new Array(size), pool: never }));
  expect([error.code, error.exit]).toEqual(['OPTION_INVALID', 2]);
  expect(error.message).toContain(name);
  expect(error.message).toContain(problem);
});

test.skipIf(process.platform === 'win32')('a thread that cannot be ended does not keep the world', async () => {
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  try {
    const group: Group = { axis: 'world', ranks: [0] };
    const plan = { size: 1, groups: [group], channels: [], timeoutSeconds: 0.5 };
    const stuckModule = new URL('../../test/stuck-rank.ts', import.meta.url);
    const error = await failureOf(runWorld({ plan, rankModule: stuckModule, jobs: [pipe] }));
    expect(error.message).toBe('rank 0 failed: no call and no heartbeat for 0.5 s');
  } finally {
    // Now it comes back, and ends.
    closeSync(openSync(pipe, 'w'));
  }
});

test('a signal stops the world', async () => {
  const control = new AbortController();
  const onReport = (): void => control.abort(new Error('stopped by the test'));
  const outcome = run(['reportsAndBlocks', 'none'], { onReport, signal: control.signal });
  const error = await failureOf(outcome);
  expect(error.message).toBe('run aborted: stopped by the test');
  expect((await failureOf(run(['none'], { signal: control.signal }))).code).toBe('RUN_ABORTED');
});

test('a module without a rank function, or none at all, is refused', async () => {
  const wrong = new URL('./flight-recorder.ts', import.meta.url);
  expect((await failureOf(run(['none', 'none'], { rankModule: wrong }))).message).toMatch(/exports no function "rank"/);
  const missing = new URL('./no-such-module.ts', import.meta.url);
  expect((await failureOf(run(['none'], { rankModule: missing }))).message).toMatch(/no-such-module/);
});

test('the pool still works after all that', async () => {
  expect(await run(['none', 'none'])).toEqual([11, 11]);
});
