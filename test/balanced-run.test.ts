// Runs on documents of very different lengths, packed and balanced: the same on every layout, stopped or not, and predicted as they are.
import { cpSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { TrainSummary } from '../src/train/launch.ts';
import type { RunPlan } from '../src/train/plan-run.ts';
import { type TrainOptions, train } from '../src/train/train.ts';
import { documentLengths, documentLines } from './documents.ts';
import { sharedPool } from './shared-pool.ts';
import { temporaryFolder } from './temporary-folder.ts';
import { tinyLlama } from './tiny-llama.ts';

const root = temporaryFolder('balanced');
const pool = sharedPool();

const config = join(root, 'config.json');
const data = join(root, 'documents.jsonl');
writeFileSync(config, JSON.stringify({ ...tinyLlama, max_position_embeddings: 1024 }));
// Several times the tiles of attention, so that documents cost by their length.
const seqLen = 512;
const lengths = documentLengths({ count: 800, median: 60, spread: 1.5, seed: 2 });
writeFileSync(data, documentLines(lengths.map((length) => Math.min(length, seqLen))));

const run = {
  model: config,
  data,
  pack: 'balanced',
  seqLen,
  globalBatch: 4,
  microBatch: 1,
  learningRate: 0.01,
  steps: 4,
  precision: 'f64',
  pool,
} as const satisfies TrainOptions;

const lossesOf = ({ steps }: TrainSummary): number[] => steps.map(({ loss }) => loss);
const out = join(mkdtempSync(join(root, 'run-')), 'out');

let one: readonly number[];
beforeAll(async () => {
  one = lossesOf(await train({ ...run, layout: 'tp=1' }));
});

/** Sums of f64 may be taken in another order. */
function expectClose(summary: TrainSummary, expected: readonly number[]): void {
  const losses = lossesOf(summary);
  expect(losses).toHaveLength(expected.length);
  for (const [step, loss] of losses.entries()) expect(Math.abs(loss - expected[step]!)).toBeLessThan(1e-10);
}

test('steps hold other sequences than by count', async () => {
  const byCount = lossesOf(await train({ ...run, layout: 'tp=1', pack: true, steps: 2 }));
  expect(Math.abs(byCount[0]! - one[0]!)).toBeGreaterThan(1e-6);
});

const layouts = ['dp=2', 'cp=2', 'pp=2,dp=2', 'tp=2,dp=2,zero=3'];
test.each(layouts)('%s trains on the sequences of one rank, and computes what was predicted', async (layout) => {
  const summary = await train({ ...run, layout });
  expectClose(summary, one);
  expect(summary.ranks.map(({ flops }) => flops)).toEqual(summary.predicted.map(({ flops }) => flops));
});

test('a run that goes on in the middle of a window is the run it was, in its layout bit for bit', async () => {
  await train({ ...run, layout: 'tp=1', steps: 2, decaySteps: 4, out });
  const elsewhere = `${out}-elsewhere`;
  cpSync(out, elsewhere, { recursive: true });
  expect(lossesOf(await train({ resume: out, steps: 4, pool }))).toEqual(one.slice(2));
  expectClose(await train({ resume: elsewhere, layout: 'cp=2,dp=2', steps: 4, pool }), one.slice(2));
});

test('with a sequence or two a replica, replicas wait for far less, and that is said', async () => {
  let plan: RunPlan | undefined;
  const onPlan = (planned: RunPlan): void => {
    plan = planned;
    throw new Error('seen');
  };
  const planned = async (pack: TrainOptions['pack']) => {
    const uneven = { ...run, layout: 'dp=2', globalBatch: 2, steps: 40, pack, onPlan };
    await expect(train(uneven)).rejects.toThrow('seen');
    return plan!;
  };
  const { balance, notes } = await planned('balanced');
  expect(balance!.byCount).toBeGreaterThan(1.1);
  expect(balance!.balanced - 1).toBeLessThan((balance!.byCount - 1) / 4);
  expect(balance!.slowest).toBeLessThan(1);
  expect(notes.join()).toContain(`${balance!.balanced.toFixed(2)} times balanced; it has`);
  expect((await planned(true)).balance).toEqual(balance);
});
