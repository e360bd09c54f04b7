// Runs of mixtures that train their routers: what they tell, that they go on as the runs they were, and what is refused.
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openCheckpoint } from '../src/checkpoint/hf-directory.ts';
import type { TrainSummary } from '../src/train/launch.ts';
import { type TrainOptions, train } from '../src/train/train.ts';
import { sharedPool } from './shared-pool.ts';
import { configJson, type SmallModel } from './small-models.ts';
import { temporaryFolder } from './temporary-folder.ts';
import { tinyLlama } from './tiny-llama.ts';

const root = temporaryFolder('routing');
const pool = sharedPool();

const model: SmallModel = {
  family: 'qwen3_moe',
  heads: 4,
  kvHeads: 2,
  headDim: 4,
  hidden: 12,
  mlp: 8,
  vocab: 256,
  layers: 3,
  tied: false,
  biases: false,
  window: 0,
  mixture: { experts: 6, perToken: 2, width: 4, sharedWidth: 4, normalised: true, dense: [1] },
};
const config = join(root, 'config.json');
const dense = join(root, 'dense.json');
const data = join(root, 'text.txt');
writeFileSync(config, JSON.stringify(configJson(model)));
writeFileSync(dense, JSON.stringify(tinyLlama));
writeFileSync(data, 'Which expert does a token go to, and who has nothing to do meanwhile? '.repeat(40));

const newOut = (): string => join(mkdtempSync(join(root, 'run-')), 'out');
const small = { model: config, data, seqLen: 8, globalBatch: 4, precision: 'f64', layout: 'tp=1', pool } as const;
const router = { auxLoss: 0.05, zLoss: 0.01, biasRate: 0.02 };

const told = ({ steps }: TrainSummary): { readonly loss: number; readonly [name: string]: number }[] =>
  steps.map(({ loss, figures }) => ({ loss, ...figures }));

function biasesOf(out: string): number[][] {
  const checkpoint = openCheckpoint(out);
  const biases = [0, 2].map((layer) => {
    const bias = new Float64Array(6);
    checkpoint.read(`model.layers.${layer}.mlp.gate.e_score_correction_bias`, [[0, 6]], bias);
    return [...bias];
  });
  checkpoint.close();
  return biases;
}

test('a run in another layout goes on with its biases, and tells what one in one go does', async () => {
  const [whole, parts] = [newOut(), newOut()];
  const expected = told(await train({ ...small, ...router, steps: 5, out: whole }));
  await train({ ...small, ...router, steps: 3, decaySteps: 5, layout: 'dp=2,zero=3', out: parts });
  const rest = told(await train({ resume: parts, steps: 5, layout: 'tp=2,pp=2', pool }));
  // Sums in another order, in f64.
  for (const [step, line] of rest.entries())
    for (const [name, value] of Object.entries(line)) {
      const wanted = expected[3 + step]![name]!;
      expect(Math.abs(value - wanted)).toBeLessThanOrEqual(1e-10 * Math.abs(wanted));
    }
  expect(biasesOf(parts)).toEqual(biasesOf(whole));
  // Five steps up or down each.
  for (const bias of biasesOf(whole)) {
    expect(bias.some((each) => each !== 0)).toBe(true);
    for (const each of bias) expect(Math.abs(each / 0.02 - Math.round(each / 0.02))).toBeLessThan(1e-9);
  }
  const lines = readFileSync(join(whole, 'metrics.jsonl'), 'utf8').trim().split('\n');
  expect(Object.keys(JSON.parse(lines[0]!))).toEqual(
    expect.arrayContaining(['imbalance', 'imbalance/0', 'imbalance/2', 'auxLoss', 'zLoss']),
  );
});

test('weights of a run without biases start with biases of zero', async () => {
  const [plain, biased] = [newOut(), newOut()];
  await train({ ...small, steps: 1, out: plain });
  await train({ ...small, model: plain, biasRate: 0.5, steps: 1, layout: 'tp=2', out: biased });
  for (const each of biasesOf(biased).flat()) expect([-0.5, 0, 0.5]).toContain(each);
});

test('a capacity drops what is over it, in training and in measuring, and holds for all of a run', async () => {
  const out = newOut();
  const measured = async (capacity?: number, more: TrainOptions = {}) => {
    const losses: number[] = [];
    const { steps } = await train({
      ...small,
      ...(capacity === undefined ? {} : { capacity }),
      ...more,
      steps: 1,
      evalEvery: 1,
      onReport: (report) => void (report.kind === 'evaluation' && losses.push(report.loss)),
    });
    return { dropped: steps[0]!.figures!.dropped, loss: losses[0]! };
  };
  const [all, wide, narrow] = [await measured(), await measured(3), await measured(0.5, { out })];
  // Three times the even share of two experts of six is every slot.
  expect([all.dropped, wide.dropped]).toEqual([undefined, 0]);
  expect(wide.loss).toBe(all.loss);
  expect(narrow.dropped).toBeGreaterThanOrEqual(0.5 - 1 / 8);
  expect(narrow.loss).not.toBe(all.loss);
  await expect(train({ resume: out, steps: 2, capacity: 1, pool })).rejects.toThrow(
    /^capacity: 1 is not the 0.5 in the run/,
  );
  const { steps } = await train({ resume: out, steps: 2, layout: 'cp=2', pool });
  expect(steps[0]!.figures!.dropped).toBeGreaterThan(0.3);
});

test('experts that choose have as many tokens each, on every layout the same', async () => {
  const options = { ...small, routing: 'experts', steps: 2 } as const;
  const one = told(await train(options));
  const many = told(await train({ ...options, layout: 'tp=2,cp=2' }));
  for (const [step, { loss, imbalance }] of one.entries()) {
    expect(imbalance).toBe(1);
    expect(Math.abs(many[step]!.loss - loss)).toBeLessThan(1e-10 * loss);
  }
});

test('experts are used more evenly with biases than without', async () => {
  const imbalance = async (biasRate: number) => {
    const { steps } = await train({ ...small, biasRate, steps: 40, globalBatch: 8, seed: 3 });
    const last = steps.slice(-10).map(({ figures }) => figures!.imbalance!);
    return last.reduce((sum, each) => sum + each, 0) / last.length;
  };
  expect(await imbalance(0.01)).toBeLessThan(await imbalance(0));
});

const refused: readonly (readonly [TrainOptions, RegExp])[] = [
  [{ ...small, model: dense, auxLoss: 0.1 }, /^auxLoss: it is for mixtures of experts.*; leave it out, or give model/],
  [{ ...small, model: dense, biasRate: 0.1 }, /^biasRate: it is for mixtures of experts/],
  [{ ...small, capacity: 0 }, /^capacity: 0 is not a number above 0 and at most 1000000; use capacity 1.25/],
  [{ ...small, model: dense, capacity: 1 }, /^capacity: it is for mixtures of experts/],
  [{ ...small, routing: 'experts', auxLoss: 0.1 }, /^auxLoss: experts that choose .*; leave it or routing out$/],
  [{ ...small, routing: 'experts', biasRate: 0.1 }, /^biasRate: experts that choose/],
  [{ ...small, model: dense, routing: 'experts' }, /^routing: it is for mixtures of experts/],
  [{ ...small, routing: 'nobody' as 'experts' }, /^routing: "nobody" is not one of tokens, experts/],
  [{ ...small, zLoss: -1 }, /zLoss: -1 is not a number from 0 to 1000000/],
];

test.each(refused)('refused: %#', async (options, message) => {
  await expect(train(options)).rejects.toThrow(message);
});
