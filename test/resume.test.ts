// A run that goes on is the run it was: the same schedule, data and optimizer, bit for bit; what would make it another is refused.
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { keptSteps } from '../src/checkpoint/keep.ts';
import { FivefoldError } from '../src/errors.ts';
import { printLayout } from '../src/mesh/layout.ts';
import type { TrainSummary } from '../src/train/launch.ts';
import { readRun } from '../src/train/manifest.ts';
import type { RunPlan } from '../src/train/plan-run.ts';
import { type TrainOptions, train } from '../src/train/train.ts';
import { makeFifo } from './odd-files.ts';
import { sharedPool } from './shared-pool.ts';
import { temporaryFolder } from './temporary-folder.ts';
import { tinyLlama } from './tiny-llama.ts';

const root = temporaryFolder('resume');
const pool = sharedPool();

const config = join(root, 'config.json');
const data = join(root, 'text.txt');
const other = join(root, 'other.txt');
writeFileSync(config, JSON.stringify(tinyLlama));
writeFileSync(data, 'What do you split, what do you duplicate, and who does all the talking? '.repeat(40));
writeFileSync(other, 'Something else altogether, which no run was started with. '.repeat(40));

const newOut = (): string => join(mkdtempSync(join(root, 'run-')), 'out');
const small = { model: config, data, seqLen: 8, globalBatch: 4, precision: 'f64', layout: 'tp=1', pool } as const;
const lossesOf = ({ steps }: TrainSummary): number[] => steps.map(({ loss }) => loss);
const ratesOf = ({ steps }: TrainSummary): number[] => steps.map(({ learningRate }) => learningRate);

/** Half a run: told all its settings, and stopped by an error of whoever watches it, as a kill would stop it. */
async function stoppedAfter(steps: number, options: TrainOptions): Promise<void> {
  const stop = new AbortController();
  const run = train({
    ...options,
    saveEvery: 1,
    signal: stop.signal,
    onReport: (report) => {
      if (report.kind === 'saved' && report.step === steps) stop.abort(new Error('enough'));
    },
  });
  await expect(run).rejects.toMatchObject({ code: 'RUN_ABORTED' });
}

const settings = fc.record(
  {
    learningRate: fc.double({ min: 1e-4, max: 0.05, noNaN: true }),
    warmupSteps: fc.nat(8),
    decaySteps: fc.integer({ min: 1, max: 12 }),
    betas: fc.tuple(fc.double({ min: 0, max: 0.99, noNaN: true }), fc.double({ min: 0, max: 0.999, noNaN: true })),
    epsilon: fc.double({ min: 1e-10, max: 1e-3, noNaN: true }),
    weightDecay: fc.double({ min: 0, max: 1, noNaN: true }),
    clipNorm: fc.constantFrom(0, 0.1, 1, 5),
    seed: fc.nat(1000),
    heldOut: fc.constantFrom(0, 0.1, 3),
    microBatch: fc.constantFrom(1, 2),
    layout: fc.constantFrom('tp=1', 'tp=2', 'dp=2', 'pp=2', 'tp=2,pp=2,sp'),
  },
  { requiredKeys: ['layout', 'microBatch'] },
);

test('a run by speed goes on by it in any layout of as many ranks; others are alike', async () => {
  const options: TrainOptions = { ...small, layout: 'dp=2', speeds: [1, 0.3], microBatch: 1, steps: 4 };
  const whole = await train(options);
  const out = newOut();
  await stoppedAfter(2, { ...options, out });
  let plan: RunPlan | undefined;
  const onPlan = (planned: RunPlan) => {
    plan = planned;
  };
  const [inStages, alone] = [`${out}-in-stages`, `${out}-alone`];
  for (const copied of [inStages, alone]) cpSync(out, copied, { recursive: true });
  const rest = await train({ resume: out, pool, onPlan });
  expect(plan!.settings.shares).toEqual([3, 1]);
  expect(lossesOf(rest)).toEqual(lossesOf(whole).slice(-rest.steps.length));
  await train({ resume: inStages, layout: 'pp=2', pool, onPlan });
  expect([plan!.settings.shares, plan!.settings.speeds, plan!.run.speeds]).toEqual([undefined, [1, 0.3], [1, 0.3]]);
  await train({ resume: alone, layout: 'tp=1', pool, onPlan });
  expect([plan!.settings.shares, plan!.settings.speeds, plan!.run.speeds]).toEqual([undefined, undefined, undefined]);
});

test('a command that lost ranks of given speeds goes on when it is given again, in the layout that it was left in', async () => {
  const options: TrainOptions = { ...small, microBatch: 1, steps: 4, restart: 1 };
  const out = newOut();
  await stoppedAfter(2, { ...options, out, layout: 'tp=1' });
  let plan: RunPlan | undefined;
  const onPlan = (planned: RunPlan) => {
    plan = planned;
  };
  await train({ ...options, out, layout: 'auto', speeds: [1, 0.5], onPlan });
  expect([printLayout(plan!.settings.layout), plan!.run.speeds]).toEqual(['tp=1', undefined]);
});

test('stopped anywhere, a run goes on bit for bit, whatever its optimizer', async () => {
  await fc.assert(
    fc.asyncProperty(settings, fc.integer({ min: 1, max: 4 }), async (drawn, stop) => {
      const options: TrainOptions = { ...small, ...drawn, minLearningRate: (drawn.learningRate ?? 1e-3) / 7, steps: 6 };
      const whole = await train(options);
      const out = newOut();
      await stoppedAfter(stop, { ...options, out });
      // It may have saved another step before it ended.
      const { step } = readRun(out);
      if (step === 6) return;
      const rest = await train({ resume: out, pool });
      expect(lossesOf(rest)).toEqual(lossesOf(whole).slice(step));
      expect(ratesOf(rest)).toEqual(ratesOf(whole).slice(step));
    }),
    { numRuns: 6 },
  );
});

const finished = join(root, 'finished');
let first: TrainSummary;
beforeAll(async () => {
  first = await train({ ...small, out: finished, steps: 4, learningRate: 0.01 });
});
const copyOf = (directory: string): string => {
  const copy = newOut();
  cpSync(directory, copy, { recursive: true });
  return copy;
};

test('a longer run never lifts the rate by itself; stretching the schedule has to be asked for', async () => {
  const lowest = ratesOf(first).at(-1)!;
  expect(lowest).toBeCloseTo(0.001, 12);
  const notes: string[] = [];
  const onPlan = (plan: RunPlan): void => void notes.push(...plan.notes);
  const longer = await train({ resume: copyOf(finished), steps: 8, pool, onPlan });
  expect(ratesOf(longer)).toEqual([lowest, lowest, lowest, lowest]);
  expect(notes.join()).toContain('planned for 4 steps');
  const stretched = await train({ resume: copyOf(finished), steps: 8, decaySteps: 8, pool });
  expect(Math.max(...ratesOf(stretched))).toBeGreaterThan(2 * lowest);
  expect(ratesOf(stretched).at(-1)).toBeCloseTo(lowest, 12);
});

const refusals: readonly (readonly [string, TrainOptions, string, RegExp])[] = [
  ['other data', { data: other }, 'DATA_CHANGED', /not those of the run .*dataChanged/],
  ['another seed', { seed: 9 }, 'OPTION_INVALID', /seed: 9 is not the 0/],
  ['another batch', { globalBatch: 8 }, 'OPTION_INVALID', /globalBatch: 8 is not the 4/],
  ['another share held out', { heldOut: 0.5 }, 'OPTION_INVALID', /heldOut/],
  ['packed documents', { pack: true }, 'OPTION_INVALID', /pack: true is not the false/],
  ['balanced documents', { pack: 'balanced' }, 'OPTION_INVALID', /pack: balanced is not the false/],
  ['weights of sources it did not have', { mix: [1] }, 'OPTION_INVALID', /mix: 1 is not what it was/],
  ['another model', { model: 'llama-tiny' }, 'OPTION_INVALID', /own model/],
  ['no step left', { steps: 4 }, 'OPTION_INVALID', /has done 4 steps/],
];
test.each(refusals)('a run does not go on with %s', async (_, changed, code, message) => {
  const before = readFileSync(join(finished, 'metrics.jsonl'), 'utf8');
  const error = await train({ resume: finished, steps: 5, pool, ...changed }).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(FivefoldError);
  expect(error).toMatchObject({ code, exit: 2, message: expect.stringMatching(message) });
  expect(readFileSync(join(finished, 'metrics.jsonl'), 'utf8')).toBe(before);
});

test('other data go on when asked to, and are the data of the run from then on', async () => {
  const out = copyOf(finished);
  await train({ resume: out, steps: 5, data: other, dataChanged: true, pool });
  expect(readRun(out).run.data).toEqual([other]);
  expect((await train({ resume: out, steps: 6, pool })).steps).toHaveLength(1);
  await expect(train({ resume: out, steps: 7, data, pool })).rejects.toMatchObject({ code: 'DATA_CHANGED' });
});

test('the same data in another order are other data, and are said to be', async () => {
  const out = newOut();
  await train({ ...small, data: [data, other], mix: [1, 2], out, steps: 1 });
  const error = await train({ resume: out, steps: 2, data: [other, data], pool }).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: 'DATA_CHANGED', message: expect.stringContaining('in another order') });
  const fewer = train({ resume: out, steps: 2, data, dataChanged: true, pool });
  await expect(fewer).rejects.toMatchObject({
    message: expect.stringMatching(/^mix: 2 weights of the run .* give data 2 paths/),
  });
});

test('a run that saves among its data goes on with the same data', async () => {
  const folder = mkdtempSync(join(root, 'among-'));
  cpSync(data, join(folder, 'text.txt'));
  const out = join(folder, 'runs', 'a');
  await train({ ...small, data: folder, out, steps: 1 });
  expect((await train({ resume: out, steps: 2, pool })).steps).toHaveLength(1);
});

test('a kept step is gone on with elsewhere, never in its place', async () => {
  const out = newOut();
  await train({ ...small, out, steps: 3, saveEvery: 1, keep: 2 });
  const [kept] = keptSteps(out);
  const index = readFileSync(join(kept!.path, 'model.safetensors.index.json'));
  const error = await train({ resume: kept!.path, steps: 3, pool }).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ exit: 2, message: expect.stringMatching(/^out: .* is a kept step .* give out/) });
  expect(readFileSync(join(kept!.path, 'model.safetensors.index.json'))).toEqual(index);
  const elsewhere = newOut();
  await train({ resume: kept!.path, out: elsewhere, steps: 3, pool });
  expect(readRun(elsewhere).step).toBe(3);
});

test('what is not of a run is not replaced by its settings, figures or kept steps', async () => {
  for (const [name, text] of [
    ['run.json', '{"mine": true}\n'],
    ['metrics.jsonl', '{"mine": true}\n'],
    ['metrics.jsonl', 'mine'],
  ] as const) {
    const out = mkdtempSync(join(root, 'foreign-'));
    writeFileSync(join(out, name), text);
    const refused = train({ ...small, out, steps: 1 });
    await expect(refused).rejects.toMatchObject({ code: 'OUT_UNWRITABLE', message: expect.stringContaining(name) });
    expect(readFileSync(join(out, name), 'utf8')).toBe(text);
  }
  const out = newOut();
  const mine = join(out, 'checkpoints', 'step-000000', 'notes.txt');
  mkdirSync(dirname(mine), { recursive: true });
  writeFileSync(mine, 'mine');
  await train({ ...small, out, steps: 4, saveEvery: 1, keep: 2 });
  expect(keptSteps(out).map(({ step }) => step)).toEqual([3]);
  expect(readFileSync(mine, 'utf8')).toBe('mine');
});

test('the same tokens from another file are the same data', async () => {
  const copy = join(root, 'copied.txt');
  cpSync(data, copy);
  const rest = await train({ resume: copyOf(finished), steps: 5, data: copy, pool });
  expect(rest.steps).toHaveLength(1);
});

const spoilings: readonly (readonly [string, (notes: Record<string, unknown>) => void])[] = [
  ['a negative step', (notes) => Object.assign(notes, { step: -1 })],
  ['a fractional length', (notes) => Object.assign(notes.run as object, { seqLen: 8.5 })],
  ['a learning rate below 0', (notes) => Object.assign(notes.run as object, { learningRate: -1 })],
  ['a precision that is none', (notes) => Object.assign(notes.run as object, { precision: 'f16' })],
  ['a seed beyond the limit', (notes) => Object.assign(notes.run as object, { seed: 2 ** 21 })],
  ['a setting that is none', (notes) => Object.assign(notes.run as object, { colour: 'red' })],
  ['a missing setting', (notes) => Reflect.deleteProperty(notes.run as object, 'betas')],
  ['a hash that is none', (notes) => Object.assign(notes, { data: [{ tokens: 3, sha256: 'none' }] })],
  ['no notes at all', (notes) => Reflect.deleteProperty(notes, 'run')],
];
test.each(spoilings)('notes with %s are broken', async (_, spoil) => {
  const out = copyOf(finished);
  const path = join(out, 'model.safetensors.index.json');
  const index = JSON.parse(readFileSync(path, 'utf8')) as { metadata: { fivefold: string } };
  const notes = JSON.parse(index.metadata.fivefold) as Record<string, unknown>;
  spoil(notes);
  index.metadata.fivefold = JSON.stringify(notes);
  writeFileSync(path, JSON.stringify(index));
  await expect(train({ resume: out, steps: 5, pool })).rejects.toMatchObject({ code: 'CHECKPOINT_BROKEN', exit: 2 });
});

test('figures that are no file do not hold up a run', async () => {
  const out = copyOf(finished);
  rmSync(join(out, 'metrics.jsonl'));
  makeFifo(join(out, 'metrics.jsonl'));
  await expect(train({ resume: out, steps: 5, pool })).rejects.toMatchObject({ code: 'OUT_UNWRITABLE', exit: 2 });
});

test('run.json starts the same run again; metrics.jsonl has a line a step, and none of steps that were lost', async () => {
  const again = await train({ ...JSON.parse(readFileSync(join(finished, 'run.json'), 'utf8')), pool });
  expect(lossesOf(again)).toEqual(lossesOf(first));
  const out = copyOf(finished);
  const metrics = join(out, 'metrics.jsonl');
  // As a run leaves it that was killed after steps it did not save.
  appendFileSync(metrics, '{"step":5,"loss":1}\n{"step":6,"lo');
  await train({ resume: out, steps: 6, pool });
  const lines = readFileSync(metrics, 'utf8').trimEnd().split('\n');
  const steps = lines.map((line) => JSON.parse(line) as Record<string, number>);
  expect(steps.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
  for (const line of steps) {
    expect(line.tokensPerSecond).toBeGreaterThan(0);
    expect(line.matrixShare).toBeGreaterThan(0);
    expect(line.communicationShare).toBe(0);
  }
});

test('a run keeps the speeds of its ranks in any layout of as many, and says where they are gone', async () => {
  const out = newOut();
  await train({ ...small, out, layout: 'dp=2', speeds: [1, 0.5], steps: 1 });
  const planned = async (more: TrainOptions): Promise<RunPlan> => {
    const plans: RunPlan[] = [];
    const onPlan = (plan: RunPlan): void => {
      plans.push(plan);
      throw new Error('seen');
    };
    await expect(train({ resume: out, steps: 2, pool, ...more, onPlan })).rejects.toThrow('seen');
    return plans[0]!;
  };
  for (const layout of [undefined, 'dp=2', 'tp=2', 'pp=2', 'auto']) {
    const { run, settings, notes } = await planned({ layout });
    expect([layout, run.speeds, settings.speeds]).toEqual([layout, [1, 0.5], [1, 0.5]]);
    expect(notes.join()).not.toContain('speeds');
  }
  const one = await planned({ layout: 'tp=1' });
  expect([one.run.speeds, one.settings.speeds]).toEqual([undefined, undefined]);
  expect(one.notes.join()).toMatch(/speeds\S* 1,0\.5 was of the 2 ranks that .*: those of tp=1 are taken for alike/);
  const four = await planned({ layout: 'dp=4', speeds: [1, 1, 1, 0.5] });
  expect([four.run.speeds, four.notes.join().includes('taken for alike')]).toEqual([[1, 1, 1, 0.5], false]);
});
