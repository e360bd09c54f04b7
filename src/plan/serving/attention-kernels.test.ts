// Scores of prompts against a count of the pairs of tokens that see each other.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { attentionKernels } from './attention-kernels.ts';
import { promptBatch, writingBatch } from './batch.ts';
import type { AttentionForm } from './layer-forms.ts';

const one = { tp: 1, pp: 1, dp: 1, cp: 1, ep: 1 };
const grouped = (window?: number): AttentionForm => ({
  kind: 'grouped',
  heads: 8,
  kvHeads: 2,
  headDim: 64,
  ...(window === undefined ? {} : { window }),
});
const latent: AttentionForm = {
  kind: 'latent',
  heads: 16,
  keyValueRank: 512,
  plainDim: 128,
  rotatedDim: 64,
  valueDim: 128,
};

test('a piece of a prompt has a score for every token that each of its tokens looks at', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.nat({ max: 40 }),
      fc.option(fc.integer({ min: 1, max: 50 }), { nil: undefined }),
      (tokens, before, window) => {
        let pairs = 0;
        for (let query = before; query < before + tokens; query++)
          for (let key = 0; key <= query; key++) if (window === undefined || query - key < window) pairs++;
        const [kernel] = attentionKernels(grouped(window), promptBatch(1, tokens, before), one);
        expect(kernel).toMatchObject({ queries: tokens, keys: before + tokens, scores: pairs });
      },
    ),
  );
});

test('written tokens look at their context, or their window; cp shares it out', () => {
  const keys = (form: AttentionForm, cp: number) =>
    attentionKernels(form, writingBatch(3, 1000), { ...one, cp }).map(
      (kernel) => kernel.kind === 'attention' && kernel.keys,
    );
  expect(keys(grouped(), 1)).toEqual([1000]);
  expect(keys(grouped(128), 1)).toEqual([128]);
  expect(keys(grouped(), 4)).toEqual([250]);
});

test('latent attention writes over one kept vector for all heads, and reads prompts by heads', () => {
  const [written, read] = attentionKernels(
    latent,
    { ...writingBatch(1, 100), prompts: 1, promptTokens: 10 },
    { ...one, tp: 2 },
  );
  expect(written).toMatchObject({ heads: 8, kvHeads: 1, headDim: 576, valueDim: 512, valuesInKeys: true });
  expect(read).toMatchObject({ heads: 8, kvHeads: 8, headDim: 192, valueDim: 128 });
});
