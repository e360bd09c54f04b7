// Whole runs whose replicas take steps of their own: what is saved, gone on with, predicted and refused.
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { openCheckpoint, openOptimizer } from '../src/checkpoint/hf-directory.ts';
import type { TrainSummary } from '../src/train/launch.ts';
import { readRun } from '../src/train/manifest.ts';
import type { RunPlan } from '../src/train/plan-run.ts';
import { type TrainOptions, train } from '../src/train/train.ts';
import { sharedPool } from './shared-pool.ts';
import { configJson } from './small-models.ts';
import { temporaryFolder } from './temporary-folder.ts';
import { tinyLlama } from './tiny-llama.ts';

const root = temporaryFolder('local-sgd');
const pool = sharedPool();
const config = join(root, 'config.json');
const data = join(root, 'text.txt');
writeFileSync(config, JSON.stringify(tinyLlama));
writeFileSync(data, 'What do you split, what do you duplicate, and who does all the talking? '.repeat(40));

const newOut = (): string => join(mkdtempSync(join(root, 'run-')), 'out');
const layout = 'tp=2,dp=2,pp=2';
const small = {
  model: config,
  data,
  seqLen: 8,
  globalBatch: 4,
  precision: 'f64',
  layout,
  pool,
  learningRate: 0.01,
} as const;
const meeting = { ...small, syncEvery: 3, steps: 12 } as const;
const lossesOf = ({ steps }: TrainSummary): number[] => steps.map(({ loss }) => loss);

/** Half a run, stopped by whoever watches it once this step is saved. */
async function stoppedAfter(step: number, options: TrainOptions): Promise<void> {
  const stop = new AbortController();
  const onReport: TrainOptions['onReport'] = (report) => {
    if (report.kind === 'saved' && report.step === step) stop.abort(new Error('enough'));
  };
  await expect(train({ ...options, signal: stop.signal, onReport })).rejects.toMatchObject({ code: 'RUN_ABORTED' });
}

let whole: TrainSummary;
const stopped = newOut();
beforeAll(async () => {
  whole = await train(meeting);
  await stoppedAfter(6, { ...meeting, out: stopped, saveEvery: 4, keep: 5, weightsType: 'bf16' });
});
const copyOfStopped = (): string => {
  const copy = newOut();
  cpSync(stopped, copy, { recursive: true });
  return copy;
};

test('a stopped run goes on bit for bit in the same layout, and to rounding in another with as many replicas', async () => {
  const { step } = readRun(stopped);
  // It may have saved once more before it ended.
  expect([6, 12]).toContain(step);
  const rest = await train({ resume: copyOfStopped(), steps: 15, pool });
  const longer = await train({ ...meeting, steps: 15, decaySteps: 12 });
  expect(lossesOf(longer).slice(0, 12)).toEqual(lossesOf(whole));
  expect(lossesOf(rest)).toEqual(lossesOf(longer).slice(step));
  const elsewhere = await train({ resume: copyOfStopped(), layout: 'cp=2,dp=2', steps: 15, pool });
  // Sums in another order.
  for (const [i, loss] of lossesOf(elsewhere).entries())
    expect(Math.abs(loss / lossesOf(longer)[step + i]! - 1)).toBeLessThan(1e-10);
});

test('the optimizer of a checkpoint holds the moments of every replica and one outer momentum', () => {
  const weights = openCheckpoint(stopped);
  const optimizer = openOptimizer(stopped);
  const name = 'model.norm.weight';
  expect(weights.has(name)).toBe(true);
  const read = (tensor: string): Float64Array => {
    const numbers = new Float64Array(optimizer.find(tensor)!.shape[0]!);
    optimizer.read(tensor, [[0, numbers.length]], numbers);
    return numbers;
  };
  const moments = [0, 1].map((replica) => read(`${name}.exp_avg.replica${replica}`));
  expect(moments[0]).not.toEqual(moments[1]);
  expect(read(`${name}.momentum_buffer`).some((value) => value !== 0)).toBe(true);
  expect(optimizer.has(`${name}.exp_avg`)).toBe(false);
  weights.close();
  optimizer.close();
});

test('what is done with the model on the way is done where replicas agree, and that is said', async () => {
  const out = newOut();
  const notes: string[] = [];
  const [saved, measured]: [number[], number[]] = [[], []];
  const summary = await train({
    ...{ ...meeting, out, saveEvery: 4, evalEvery: 2, keep: 9, steps: 9 },
    onPlan: (plan: RunPlan) => void notes.push(...plan.notes),
    onReport: (report) => {
      if (report.kind === 'saved') saved.push(report.step);
      if (report.kind === 'evaluation') measured.push(report.step);
    },
  });
  expect(saved).toEqual([6, 9]);
  expect(measured).toEqual([3, 6, 9]);
  expect(notes).toEqual([
    expect.stringMatching(/saveEvery.* is 6, not 4: replicas agree on a model every 3 steps/),
    expect.stringMatching(/evalEvery.* is 3, not 2/),
  ]);
  expect(JSON.parse(readFileSync(join(out, 'run.json'), 'utf8'))).toMatchObject({
    ...{ syncEvery: 3, outerLearningRate: 0.7, outerMomentum: 0.9, saveEvery: 6 },
  });
  // The audit, of a run that meets three times and measures and saves on the way.
  expect(summary.bytesSent).toEqual(summary.predicted.map(({ bytesSent }) => bytesSent));
  expect(summary.ranks.map(({ peakBytes }) => peakBytes)).toEqual(summary.predicted.map(({ peakBytes }) => peakBytes));
  expect(summary.ranks.map(({ flops }) => flops)).toEqual(summary.predicted.map(({ flops }) => flops));
});

/** A mixture, so that there are tensors of experts. */
const mixture = join(root, 'mixture.json');
writeFileSync(
  mixture,
  JSON.stringify(
    configJson({
      ...{ family: 'qwen2_moe', heads: 4, kvHeads: 2, headDim: 4, hidden: 16, mlp: 24, vocab: 260, layers: 2 },
      ...{ tied: false, biases: false, window: 8 },
      mixture: { experts: 4, perToken: 2, width: 12, sharedWidth: 8, normalised: true, dense: [] },
    }),
  ),
);
const pairs = join(root, 'pairs.jsonl');
writeFileSync(
  pairs,
  Array.from(
    { length: 12 },
    (_, i) => `${JSON.stringify({ prompt: `${i}`, chosen: 'ab'.repeat(1 + (i % 5)), rejected: `no ${i}` })}\n`,
  ).join(''),
);

test('experts that learn to prefer, in replicas that split every sequence: predicted, saved beside the steps and gone on with', async () => {
  const preferring = {
    ...{ ...small, model: mixture, data: pairs, seqLen: 16, layout: 'cp=2,dp=2', syncEvery: 2 },
    ...({ objective: 'dpo', steps: 8 } as const),
  } as const satisfies TrainOptions;
  const unbroken = await train(preferring);
  expect(unbroken.bytesSent).toEqual(unbroken.predicted.map(({ bytesSent }) => bytesSent));
  expect(unbroken.ranks.map(({ flops }) => flops)).toEqual(unbroken.predicted.map(({ flops }) => flops));
  const margins = ({ steps }: TrainSummary) => steps.map(({ figures }) => figures!['rewards/margins']!);
  // Until they first meet the reference is as far from each; then it is learned.
  expect(margins(unbroken)[0]).toBe(0);
  expect(margins(unbroken)[7]).toBeGreaterThan(margins(unbroken)[1]!);
  const out = newOut();
  await stoppedAfter(4, { ...preferring, out, saveEvery: 2 });
  const { step } = readRun(out);
  // It may have saved once or twice more before it ended.
  expect([4, 6, 8]).toContain(step);
  const rest = await train({ resume: out, steps: 10, pool });
  const longer = await train({ ...preferring, steps: 10, decaySteps: 8 });
  expect(lossesOf(longer).slice(0, 8)).toEqual(lossesOf(unbroken));
  expect(lossesOf(rest)).toEqual(lossesOf(longer).slice(step));
  expect(margins(rest)).toEqual(margins(longer).slice(step));
});

test('epochs end where replicas agree', async () => {
  const notes: string[] = [];
  const { steps } = await train({
    ...{ ...meeting, steps: undefined, epochs: 0.05, syncEvery: 4 },
    onPlan: (plan: RunPlan) => void notes.push(...plan.notes),
  });
  expect(steps.length % 4).toBe(0);
  expect(notes.join()).toMatch(/so that its replicas agree at the end/);
});

const refusals: readonly (readonly [string, TrainOptions, RegExp])[] = [
  ['no steps at all', { ...meeting, syncEvery: 0 }, /^syncEvery: 0 is not a whole number from 1/],
  [
    'an outer rate without steps between',
    { ...small, outerLearningRate: 0.5 },
    /^outerLearningRate: .* add syncEvery 10/,
  ],
  ['a momentum of 1', { ...meeting, outerMomentum: 1 }, /^outerMomentum: 1 is not a number of at least 0 and below 1/],
  [
    'biases that move by load',
    { ...meeting, model: mixture, biasRate: 0.01 },
    /^biasRate: biases move by the load of all replicas/,
  ],
  ['an end between', { ...meeting, steps: 10 }, /^steps: 10 is no multiple of syncEvery 3, .* use steps 9 or 12/],
  ['an end before the first', { ...meeting, steps: 2 }, /^steps: 2 .* use steps 3$/],
  [
    'one replica',
    { ...meeting, layout: 'tp=2,pp=2' },
    /^syncEvery: .* with dp=1 there is one replica; use layout dp=2, or leave it out/,
  ],
  ['shared state', { ...meeting, layout: 'dp=2,zero=1' }, /^layout: zero=1 shares out over dp .* leave zero out/],
  [
    'other replicas',
    { resume: stopped, steps: 15, layout: 'dp=4', pool },
    /^layout: dp=4 where the run has dp=2.* use dp=2/,
  ],
  ['another rhythm', { resume: stopped, steps: 20, syncEvery: 5, pool }, /^syncEvery: 5 is not the 3 in the run/],
];
test.each(refusals)('refused: %s', async (_, options, message) => {
  await expect(train(options)).rejects.toMatchObject({ exit: 2, message: expect.stringMatching(message) });
});

test('of the steps a run could end with, those that are still to come are named', async () => {
  const { step } = readRun(stopped);
  const refusal = (steps: number) => train({ resume: stopped, steps, pool }).catch((reason: Error) => reason.message);
  expect(await refusal(step + 1)).toMatch(new RegExp(`^steps: ${step + 1} is no multiple .* use steps ${step + 3}$`));
  expect(await refusal(step)).toMatch(new RegExp(`^steps: .* use steps ${step + 3} or more$`));
});

test('the layout chosen for a run that goes on has as many replicas, also on fewer cores', async () => {
  const out = newOut();
  await train({ ...small, syncEvery: 2, steps: 2, layout: 'dp=3', globalBatch: 6, out });
  const planned: string[] = [];
  await train({ resume: out, layout: 'auto', steps: 4, pool, onPlan: ({ run }) => void planned.push(run.layout) });
  expect(planned).toEqual([expect.stringMatching(/\bdp=3\b/)]);
});
