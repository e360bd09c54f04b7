// Estimated memory: its buffers against those of real programs, on every kind of layout.
import { expect, test } from 'vitest';
import { parseLayout } from '../mesh/layout.ts';
import { parseModelConfig } from '../model/families.ts';
import { presets } from '../model/presets.ts';
import { buildTrainingStep } from '../step/training-step.ts';
import { estimateTraining } from './memory.ts';
import { predictRank } from './predict-step.ts';
import { byRank } from './stage-ranks.ts';

const vocabulary = { ...presets['llama-tiny'], vocab_size: 32_000, tie_word_embeddings: false };
const learned = { ...presets.gpt2, n_embd: 64, n_head: 4, n_layer: 3, n_positions: 512, vocab_size: 999 };

test.each([
  [presets['llama-tiny'], 'tp=1', 2, 3, 'f32'],
  [presets['llama-tiny'], 'tp=2,sp,dp=2', 2, 2, 'f64'],
  [presets['llama-tiny'], 'pp=4,schedule=gpipe', 1, 6, 'f32'],
  [presets['llama-tiny'], 'pp=3,tp=4,stages=1+2+1', 2, 5, 'f32'],
  [vocabulary, 'tp=2', 2, 2, 'f32'],
  [vocabulary, 'pp=2', 1, 4, 'f32'],
  [learned, 'tp=1', 2, 1, 'f32'],
  [learned, 'tp=2,pp=3', 2, 4, 'f64'],
] as const)('buffers, %#: %s', (json, layout, microBatch, microbatches, precision) => {
  const config = parseModelConfig(json, 'model');
  const settings = { config, layout: parseLayout(layout), seqLen: 256, microBatch, microbatches, precision };
  const { weights, gradients, optimizer, activations } = estimateTraining(settings);
  const ranks = byRank(settings, (rank) => predictRank(buildTrainingStep(settings, rank)));
  expect(weights + gradients + optimizer + activations).toBe(ranks.reduce((sum, { peakBytes }) => sum + peakBytes, 0));
});

const scratchOf = (json: object, seqLen: number): number =>
  estimateTraining({
    config: parseModelConfig(json, 'model'),
    layout: parseLayout('tp=1'),
    seqLen,
    microBatch: 1,
    microbatches: 1,
    precision: 'f32',
  }).scratch;

test('what a block of the loss takes inside of ONNX Runtime is counted', () => {
  // Of a block of 128 tokens, of which there are more the longer the sequence is: the logits and their gradient.
  const logits = 128 * 32_000 * 4;
  expect(scratchOf(vocabulary, 512) / logits).toBeCloseTo(1.2 * 2, 2);
  expect(scratchOf(vocabulary, 1024)).toBe(scratchOf(vocabulary, 512));
});

test('of attention, three matrices of the scores of a block of queries and their keys are counted, of 1024 keys at the most', () => {
  // So narrow that attention takes the most of all.
  const narrow = { ...presets['llama-tiny'], hidden_size: 16, head_dim: 8, intermediate_size: 16, vocab_size: 32 };
  const scores = 128 * 1024 * 4;
  const inScores = (seqLen: number) => scratchOf(narrow, seqLen) / scores;
  expect([512, 1024, 2048].map(inScores)).toEqual([0.5, 1, 1].map((keys) => expect.closeTo(1.2 * 3 * keys, 9)));
});
