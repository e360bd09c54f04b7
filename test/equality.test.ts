// The central claim: whatever the layout, losses, every gradient and every weight equal those of one rank.
import fc from 'fast-check';
import { afterAll, test } from 'vitest';
import { parseLayout } from '../src/mesh/layout.ts';
import { createPool } from '../src/runtime/world-pool.ts';
import { expectEqual } from './compare-with-one-rank.ts';
import { anyCase, type Case, type SmallModel } from './random-cases.ts';

const pool = createPool();
afterAll(() => pool.close());

const plain: SmallModel = {
  family: 'llama',
  heads: 4,
  kvHeads: 2,
  headDim: 4,
  hidden: 12,
  mlp: 16,
  vocab: 21,
  layers: 4,
  tied: false,
  biases: true,
  window: 3,
};
const nasty = (layout: string, model: Partial<SmallModel> = {}, shape: Partial<Case> = {}): Case => ({
  model: { ...plain, ...model },
  layout: parseLayout(layout),
  seqLen: 8,
  microBatch: 1,
  microbatches: 2,
  ...shape,
});

const nastyCases: readonly (readonly [string, Case])[] = [
  ['tp=4 with 2 key-value heads', nasty('tp=4')],
  ['tp=8 with 1 key-value head', nasty('tp=8', { heads: 8, kvHeads: 1 })],
  ['tp=8,sp with 2 key-value heads and key norms', nasty('tp=8,sp', { family: 'qwen3', heads: 8 })],
  ['tp=4,sp with 1 key-value head and biases', nasty('tp=4,sp', { family: 'qwen2', kvHeads: 1 })],
  ['tied head on the same stage', nasty('tp=2,dp=2,sp', { tied: true })],
  ['tied head over two stages', nasty('tp=2,pp=2', { tied: true })],
  ['tied head over four stages, the middle ones without', nasty('pp=4,dp=2', { family: 'gpt2', tied: true })],
  ['sp, pp and dp', nasty('tp=2,pp=2,dp=2,sp', { family: 'gpt2', tied: true, vocab: 23 })],
  ['a vocabulary smaller than tp', nasty('tp=8', { heads: 8, vocab: 3 })],
  ['a tied vocabulary smaller than tp, over stages', nasty('tp=4,pp=2', { vocab: 2, tied: true })],
  ['tp=5 pads a vocabulary of 7', nasty('tp=5', { heads: 5, kvHeads: 1, mlp: 10, vocab: 7 })],
  ['uneven stages under gpipe', nasty('pp=3,schedule=gpipe,stages=1+2+1', {}, { microbatches: 5 })],
  ['fewer microbatches than stages', nasty('pp=4,stages=1+1+1+1', {}, { microbatches: 1 })],
  ['a window shorter than a shard of the sequence', nasty('tp=2,sp', { family: 'mistral', window: 2 })],
  ['one layer on eight ranks of data', nasty('dp=8', { layers: 1 }, { microbatches: 1 })],
];

test.each(nastyCases)('%s', async (_, each) => {
  await expectEqual(each, 'f64', pool);
  await expectEqual(each, 'f32', pool);
});

test.each([
  ['f64', 110],
  ['f32', 70],
] as const)('random models and layouts in %s', async (precision, numRuns) => {
  await fc.assert(
    fc.asyncProperty(anyCase, (each) => expectEqual(each, precision, pool)),
    { numRuns, endOnFailure: true, timeout: 60_000 },
  );
});
