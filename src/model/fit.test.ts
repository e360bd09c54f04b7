// Layouts that do not fit a model or a batch, and the nearest ones that do.
import { expect, test } from 'vitest';
import { parseLayout } from '../mesh/layout.ts';
import { parseModelConfig } from './families.ts';
import { checkFit, divisors } from './fit.ts';

const config = parseModelConfig(
  {
    model_type: 'llama',
    vocab_size: 100,
    hidden_size: 96,
    num_hidden_layers: 6,
    num_attention_heads: 12,
    num_key_value_heads: 4,
    intermediate_size: 80,
    max_position_embeddings: 64,
  },
  'model',
);

const check = (
  layout: string,
  shape: { seqLen?: number; globalBatch?: number; microBatch?: number } = {},
  of = config,
) => {
  try {
    const batch = { seqLen: 32, globalBatch: 12, microBatch: 1, ...shape };
    return checkFit(of, parseLayout(layout), batch);
  } catch (error) {
    return (error as Error).message;
  }
};

test('microbatches of a step', () => {
  expect(check('tp=1')).toBe(12);
  expect(check('tp=2,pp=6,dp=3,sp', { microBatch: 2 })).toBe(2);
  expect(check('tp=4,stages=6')).toBe(12);
});

test('of experts, what is between their matrices must divide, and an MLP only where there is one', () => {
  const refusals = (more: object) => {
    const widths = { intermediate_size: 81, moe_intermediate_size: 12, shared_expert_intermediate_size: 24 };
    const json = { ...config.source, model_type: 'qwen2_moe', num_experts: 5, ...widths, ...more };
    return check('tp=4', {}, parseModelConfig(json, 'model'));
  };
  expect(refusals({})).toBe(12);
  expect(refusals({ mlp_only_layers: [3] })).toBe('tp=4 does not divide the MLP width (81); use tp=1');
  expect(refusals({ moe_intermediate_size: 14 })).toMatch("does not divide the experts' width (14)");
  expect(refusals({ shared_expert_intermediate_size: 14 })).toMatch("does not divide the shared expert's width (14)");
  expect(refusals({ moe_intermediate_size: 14, mlp_only_layers: [0, 1, 2, 3, 4, 5] })).toMatch('the MLP width (81)');
});

test('what does not divide is refused with the nearest sizes', () => {
  const refused = [
    check('tp=5'),
    check('tp=24'),
    check('tp=3'),
    check('tp=6'),
    check('tp=12'),
    check('tp=4,sp', { seqLen: 30 }),
    check('pp=7'),
    check('pp=2,stages=3+4'),
    check('pp=2,virtual=4'),
    check('pp=4,virtual=2'),
    check('pp=2,virtual=2,stages=1+2+2+2'),
    check('dp=5'),
    check('dp=24'),
    check('dp=2', { microBatch: 4 }),
    check('dp=3', { microBatch: 8 }),
    check('tp=1', { seqLen: 65 }),
  ];
  expect(refused.join('\n')).toMatchInlineSnapshot(`
    "tp=5 does not divide the attention heads (12); use tp=4
    tp=24 does not divide the attention heads (12); use tp=4
    tp=3 does not divide the key-value heads, nor is it a multiple of them (4); use tp=2 or tp=4
    tp=6 does not divide the key-value heads, nor is it a multiple of them (4); use tp=4
    tp=12 does not divide the MLP width (80); use tp=4
    tp=4 does not divide the sequence length, which sp cuts (30); use seqLen 28 or seqLen 32 or the layout without sp
    pp=7 stages for 6 layers; use pp=6 or fewer
    pp=2 stages for 6 layers; stages=3+4 adds up to 7; make it 6
    pp=2,virtual=4 stages for 6 layers; each of 8 virtual stages needs one; use virtual=3 or fewer
    pp=4,virtual=2 stages for 6 layers; each of 8 virtual stages needs one; leave virtual out
    pp=2,virtual=2 stages for 6 layers; stages=1+2+2+2 adds up to 7; make it 6
    dp=5 does not divide the global batch (12); use dp=4 or dp=6
    dp=24 does not divide the global batch (12); use dp=12
    microBatch: 4 does not divide the 6 sequences of each data-parallel rank; use microBatch 3 or microBatch 6
    microBatch: 8 does not divide the 4 sequences of each data-parallel rank; use microBatch 4
    seqLen: 65 is longer than the model's 64 positions; use seqLen 64 or less"
  `);
});

test('sizes that are none, or beyond any run, are refused at once', () => {
  const refused = [
    check('tp=1', { globalBatch: 2147483648 }),
    check('tp=1', { globalBatch: Number.NaN }),
    check('tp=1', { microBatch: 0 }),
    check('tp=1', { microBatch: 1.5 }),
    check('tp=1', { seqLen: -1 }),
    check('tp=1', { seqLen: 2147483648 }),
  ];
  expect(refused.join('\n')).toMatchInlineSnapshot(`
    "globalBatch: 2147483648 is more than 16777216; use 16777216 or less
    globalBatch: NaN is not a whole number of at least 1; use 1 or more
    microBatch: 0 is not a whole number of at least 1; use 1 or more
    microBatch: 1.5 is not a whole number of at least 1; use 1 or more
    seqLen: -1 is not a whole number of at least 1; use 1 or more
    seqLen: 2147483648 is longer than the model's 64 positions; use seqLen 64 or less"
  `);
  const layout = { ...parseLayout('tp=1'), dp: Number.POSITIVE_INFINITY };
  expect(() => checkFit(config, layout, { seqLen: 8, globalBatch: 4, microBatch: 1 })).toThrow('layout dp');
});

test('divisors are all there is, in order', () => {
  for (const n of [1, 2, 12, 16, 97, 360])
    expect(divisors(n)).toEqual(Array.from({ length: n }, (_, i) => i + 1).filter((d) => n % d === 0));
  expect(divisors(2 ** 30)).toHaveLength(31);
});
