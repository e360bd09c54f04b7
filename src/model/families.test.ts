// Config files of the families: what is read, and what is refused with which words.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { layerLike, windowOf } from './config.ts';
import { families, parseModelConfig } from './families.ts';
import { refuseDropout } from './keys.ts';
import { refusePlanOnly } from './plan-only.ts';

const llama = {
  model_type: 'llama',
  vocab_size: 100,
  hidden_size: 32,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  intermediate_size: 64,
};
const mixtral = { ...llama, model_type: 'mixtral', num_key_value_heads: 4 };
const yarn = { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 16 };
const yarnAll = { ...yarn, mscale: 1, mscale_all_dim: 1 };
const deepseek = {
  ...{ ...llama, model_type: 'deepseek_v3', kv_lora_rank: 12, q_lora_rank: 10, v_head_dim: 8 },
  ...{
    qk_nope_head_dim: 6,
    qk_rope_head_dim: 4,
    n_routed_experts: 8,
    num_experts_per_tok: 3,
    moe_intermediate_size: 4,
  },
};
const gpt2 = { model_type: 'gpt2', vocab_size: 100, n_embd: 32, n_layer: 2, n_head: 4 };

const refusal = (json: unknown): string => {
  try {
    return `parsed as ${parseModelConfig(json, 'config.json').family}`;
  } catch (error) {
    return (error as Error).message;
  }
};

test('what cannot be read is refused', () => {
  const refused = [
    [],
    { vocab_size: 5 },
    { ...llama, model_type: 'bert' },
    { ...llama, hidden_size: undefined },
    { ...llama, hidden_size: 0 },
    { ...llama, num_hidden_layers: 1.5 },
    { ...llama, hidden_size: 33 },
    { ...llama, hidden_size: 36 },
    { ...llama, num_key_value_heads: 3 },
    { ...llama, hidden_act: 'gelu' },
    { ...llama, rope_scaling: { rope_type: 'longrope', factor: 4 } },
    { ...llama, rope_scaling: { rope_type: 'yarn', factor: 4 } },
    { ...llama, model_type: 'qwen2', num_key_value_heads: 4, use_sliding_window: true },
    { ...gpt2, n_head: 5 },
    { ...gpt2, activation_function: 'relu' },
    { ...gpt2, scale_attn_weights: false },
    { ...gpt2, scale_attn_by_inverse_layer_idx: true },
    { ...gpt2, hidden_size: 64 },
    { ...gpt2, resid_pdrop: -1 },
    { ...llama, model_type: 'constructor' },
    { ...llama, model_type: '__proto__' },
    { ...llama, partial_rotary_factor: 0.5 },
    { ...llama, rope_parameters: { rope_type: 'default', partial_rotary_factor: 0.5 } },
    { ...llama, rope_theta: -1 },
    { ...llama, rope_theta: 5000, rope_parameters: { rope_theta: 6000 } },
    { ...llama, sliding_window: 7 },
    { ...llama, model_type: 'mistral', mlp_bias: true },
    { ...llama, model_type: 'mistral', num_key_value_heads: 4, layer_types: ['sliding_attention', 'full_attention'] },
    { ...llama, model_type: 'qwen3', num_key_value_heads: 4, layer_types: ['sliding_attention'] },
    { ...mixtral, num_experts_per_tok: 9 },
    { ...mixtral, num_local_experts: 4, num_experts: 5 },
    { ...mixtral, num_local_experts: 0 },
    { ...mixtral, scoring_func: 'tanh' },
    { ...mixtral, output_router_logits: true },
    { ...mixtral, router_jitter_noise: 0.1 },
    { ...mixtral, sliding_window: 0 },
    { ...llama, num_local_experts: 8 },
    { ...mixtral, model_type: 'qwen3_moe', decoder_sparse_step: 0 },
    { ...mixtral, model_type: 'qwen2_moe', qkv_bias: false },
    { ...deepseek, kv_lora_rank: undefined },
    { ...deepseek, qk_rope_head_dim: 3 },
    { ...deepseek, head_dim: 6 },
    { ...deepseek, n_group: 3, topk_group: 1 },
    { ...deepseek, n_group: 4, topk_group: 5 },
    { ...deepseek, n_group: 4, topk_group: 1 },
    { ...deepseek, num_experts_per_tok: 9 },
    { ...deepseek, topk_method: 'greedy' },
    { ...deepseek, scoring_func: 'softmax' },
    { ...deepseek, model_type: 'deepseek_v2', topk_method: 'noaux_tc' },
    { ...deepseek, rope_scaling: { ...yarn, mscale: 1, mscale_all_dim: 0.5 } },
    { ...llama, model_type: 'nemotron', hidden_act: 'silu' },
    { ...llama, model_type: 'nemotron', partial_rotary_factor: 0.4 },
    { ...llama, model_type: 'gemma3_text', num_key_value_heads: 4, layer_types: ['chunked_attention'] },
  ];
  expect(refused.map(refusal).join('\n')).toMatchInlineSnapshot(`
    "config.json: Invalid input: expected object, received array; use the config.json of a Hugging Face model
    config.json: model_type: Invalid input: expected string, received undefined; use the config.json of a Hugging Face model
    config.json: model_type "bert" is not supported; use one of gpt2, bloom, deepseek_v2, deepseek_v3, gemma, gemma2, gemma3_text, glm_moe_dsa, gpt_oss, grok-1, llama, llama4_text, minimax_m2, mistral, mixtral, mpt, nemotron, qwen2, qwen2_moe, qwen3, qwen3_moe
    config.json: hidden_size: Invalid input: expected number, received undefined; use the config.json of a Hugging Face model
    config.json: hidden_size: Too small: expected number to be >0; use the config.json of a Hugging Face model
    config.json: num_hidden_layers: Invalid input: expected int, received number; use the config.json of a Hugging Face model
    config.json: heads of 8.25 features cannot be rotated in pairs; make hidden_size an even multiple of num_attention_heads, or set head_dim
    config.json: heads of 9 features cannot be rotated in pairs; make hidden_size an even multiple of num_attention_heads, or set head_dim
    config.json: num_attention_heads 4 is not a multiple of num_key_value_heads 3; use a multiple of 3
    config.json: hidden_act gelu is not supported; use silu
    config.json: rope_type longrope is not supported; use default, linear, llama3, yarn
    config.json: rope_type yarn needs original_max_position_embeddings; add it
    config.json: use_sliding_window true is not supported; use false
    config.json: n_embd 32 is not a multiple of n_head 5; use a multiple of 5
    config.json: activation_function relu is not supported; use gelu_new
    config.json: scale_attn_weights false is not supported; use true
    config.json: scale_attn_by_inverse_layer_idx true is not supported; use false
    config.json: hidden_size 64 is not supported; leave it out if the model does without it
    config.json: resid_pdrop is a probability, not -1; use a number from 0 up to 1
    config.json: model_type "constructor" is not supported; use one of gpt2, bloom, deepseek_v2, deepseek_v3, gemma, gemma2, gemma3_text, glm_moe_dsa, gpt_oss, grok-1, llama, llama4_text, minimax_m2, mistral, mixtral, mpt, nemotron, qwen2, qwen2_moe, qwen3, qwen3_moe
    config.json: model_type "__proto__" is not supported; use one of gpt2, bloom, deepseek_v2, deepseek_v3, gemma, gemma2, gemma3_text, glm_moe_dsa, gpt_oss, grok-1, llama, llama4_text, minimax_m2, mistral, mixtral, mpt, nemotron, qwen2, qwen2_moe, qwen3, qwen3_moe
    config.json: partial_rotary_factor 0.5 is not supported; use 1
    config.json: partial_rotary_factor 0.5 is not supported; use 1
    config.json: rope_theta: Too small: expected number to be >=1; use the config.json of a Hugging Face model
    config.json: rope_parameters and rope_theta differ; keep one of them
    config.json: sliding_window 7 is not supported; leave it out if the model does without it
    config.json: mlp_bias true is not supported; use false
    config.json: layer_types full_attention is not supported; use sliding_attention in every layer
    config.json: layer_types sliding_attention is not supported; use full_attention in every layer
    config.json: num_experts_per_tok 9 is more than the 8 experts; use 8 or less
    config.json: num_experts 5 and num_local_experts 4 differ; keep one of them
    config.json: num_local_experts: Too small: expected number to be >0; use the config.json of a Hugging Face model
    config.json: scoring_func: Invalid option: expected one of "softmax"|"sigmoid"; use the config.json of a Hugging Face model
    config.json: output_router_logits true is not supported; use false
    config.json: router_jitter_noise 0.1 is not supported; use 0
    config.json: sliding_window 0 is not supported; use null for none
    config.json: num_local_experts 8 is not supported; leave it out if the model does without it
    config.json: decoder_sparse_step: Too small: expected number to be >0; use the config.json of a Hugging Face model
    config.json: qkv_bias false is not supported; use true
    config.json: kv_lora_rank: Invalid input: expected number, received undefined; use the config.json of a Hugging Face model
    config.json: qk_rope_head_dim 3 is not supported; use an even number
    config.json: head_dim 6 beside qk_rope_head_dim 4 is not supported; use qk_rope_head_dim alone
    config.json: n_group 3 does not divide the 8 experts; use those of the model
    config.json: topk_group 5 is more than the 4 groups; use those of the model
    config.json: topk_group 1 leaves fewer experts than num_experts_per_tok 3; use those of the model
    config.json: num_experts_per_tok 9 is more than the 8 experts; use 8 or less
    config.json: topk_method "greedy" is not supported; use "noaux_tc"
    config.json: scoring_func "softmax" is not supported; use "sigmoid"
    config.json: topk_method noaux_tc is not supported; use greedy
    config.json: rope_type yarn of some features alone is not supported; use equal mscale and mscale_all_dim
    config.json: hidden_act silu is not supported; use relu2
    config.json: partial_rotary_factor 0.4 of 8 features is not supported; use an even number
    config.json: layer_types chunked_attention is not supported; use sliding_attention in every layer"
  `);
});

test('defaults are those of Hugging Face', () => {
  const config = parseModelConfig(llama, 'config.json');
  expect(config).toMatchObject({
    kvHeads: 4,
    headDim: 8,
    norm: 'rms',
    normEpsilon: 1e-6,
    activation: 'swiglu',
    qkvBias: false,
    tiedHead: false,
    source: llama,
  });
  expect(config.window).toBeUndefined();
  expect(parseModelConfig(gpt2, 'config.json')).toMatchObject({
    kvHeads: 4,
    headDim: 8,
    intermediateSize: 128,
    norm: 'layer',
    positions: { kind: 'learned', max: 1024 },
    qkvBias: true,
    tiedHead: true,
  });
});

test('switches of the families', () => {
  const parse = (family: string, more: object = {}) =>
    parseModelConfig({ ...llama, num_key_value_heads: 4, ...more, model_type: family }, family);
  expect(parse('qwen2')).toMatchObject({ qkvBias: true, outputBias: false, qkNorm: false });
  expect(parse('qwen3', { head_dim: 16 })).toMatchObject({ qkvBias: false, qkNorm: true, headDim: 16 });
  expect(parse('llama', { attention_bias: true })).toMatchObject({ qkvBias: true, outputBias: true, mlpBias: false });
  expect(parse('mistral', { sliding_window: 7 }).window).toBe(7);
  // Only Mistral's attention has a window; Qwen's configs carry the number with the switch off.
  expect(parse('qwen2', { sliding_window: 7, use_sliding_window: false }).window).toBeUndefined();
  expect(parse('mixtral', { num_local_experts: 4 }).mixture).toEqual({
    experts: 4,
    perToken: 2,
    scores: 'softmax',
    normalised: true,
    intermediateSize: 64,
    denseLayers: [],
  });
  const sparse = { num_experts: 6, moe_intermediate_size: 16, num_hidden_layers: 5, decoder_sparse_step: 2 };
  expect(
    parse('qwen2_moe', { ...sparse, mlp_only_layers: [3, 9], shared_expert_intermediate_size: 24 }).mixture,
  ).toEqual({
    experts: 6,
    perToken: 4,
    scores: 'softmax',
    normalised: false,
    intermediateSize: 16,
    sharedIntermediateSize: 24,
    denseLayers: [0, 2, 3, 4],
  });
  expect(parse('qwen3_moe', { num_local_experts: 9, norm_topk_prob: true }).mixture).toEqual({
    experts: 9,
    perToken: 8,
    scores: 'softmax',
    normalised: true,
    intermediateSize: 768,
    denseLayers: [],
  });
  expect(Object.keys(families)).toEqual([
    ...['gpt2', 'bloom', 'deepseek_v2', 'deepseek_v3', 'gemma', 'gemma2', 'gemma3_text', 'glm_moe_dsa', 'gpt_oss'],
    ...[
      'grok-1',
      'llama',
      'llama4_text',
      'minimax_m2',
      'mistral',
      'mixtral',
      'mpt',
      'nemotron',
      'qwen2',
      'qwen2_moe',
      'qwen3',
      'qwen3_moe',
    ],
  ]);
});

test("missing keys are transformers' own defaults", () => {
  const { num_attention_heads: _, ...rest } = llama;
  const wide = { ...rest, num_attention_heads: 32, hidden_size: 128 };
  const parse = (family: string, more: object = {}) =>
    parseModelConfig({ ...wide, ...more, model_type: family }, family);
  expect(parse('mistral')).toMatchObject({ kvHeads: 8, window: 4096, positions: { max: 131072 } });
  expect(parse('mistral', { sliding_window: null, num_key_value_heads: null })).toMatchObject({ kvHeads: 32 });
  expect(parse('mistral', { sliding_window: null }).window).toBeUndefined();
  expect(parse('qwen3')).toMatchObject({ kvHeads: 32, headDim: 128 });
  expect(parse('mixtral')).toMatchObject({ kvHeads: 8, normEpsilon: 1e-5, mixture: { experts: 8, perToken: 2 } });
  expect(parse('mixtral').positions).toMatchObject({ frequencies: [1, 1000000 ** -0.5] });
  expect(parse('mixtral').window).toBeUndefined();
  expect(parse('qwen2_moe', { num_attention_heads: 16 })).toMatchObject({
    kvHeads: 16,
    mixture: { experts: 60, perToken: 4, intermediateSize: 1408, sharedIntermediateSize: 5632, normalised: false },
  });
  expect(parse('qwen3_moe')).toMatchObject({
    kvHeads: 4,
    headDim: 4,
    mixture: { experts: 128, perToken: 8, intermediateSize: 768, normalised: false },
  });
});

test('sizes have bounds that every real model keeps', () => {
  const sizes = {
    llama: [
      'vocab_size',
      'hidden_size',
      'num_hidden_layers',
      'num_attention_heads',
      'num_key_value_heads',
      'head_dim',
      'intermediate_size',
      'max_position_embeddings',
    ],
    gpt2: ['vocab_size', 'n_embd', 'n_layer', 'n_head', 'n_positions', 'n_inner'],
  };
  for (const key of sizes.llama) expect(refusal({ ...llama, [key]: 2147483648 })).toContain(`${key}: Too big`);
  for (const key of sizes.gpt2) expect(refusal({ ...gpt2, [key]: 2147483648 })).toContain(`${key}: Too big`);
  expect(refusal({ ...llama, model_type: 'mistral', sliding_window: 2 ** 31 })).toContain('sliding_window: Too big');
  const largest = {
    ...llama,
    vocab_size: 10_000_000,
    hidden_size: 16384,
    num_hidden_layers: 126,
    num_attention_heads: 128,
    num_key_value_heads: 8,
    intermediate_size: 53248,
    max_position_embeddings: 10_485_760,
  };
  expect(refusal(largest)).toBe('parsed as llama');
});

const written = [
  ...['gpt2', 'deepseek-v2', 'deepseek-v3', 'gemma', 'gemma3', 'llama', 'llama-mqa', 'mistral', 'mixtral', 'nemotron'],
  ...['qwen2', 'qwen2-moe', 'qwen3', 'qwen3-moe'],
];
test.each(written)('every key that transformers writes for %s is known', (name) => {
  const path = new URL(`../../test/fixtures/${name}/config.json`, import.meta.url);
  const { ignored, dropout } = parseModelConfig(JSON.parse(readFileSync(path, 'utf8')), name);
  expect(ignored).toEqual([]);
  expect(dropout).toEqual(name === 'gpt2' ? ['attn_pdrop=0.1', 'embd_pdrop=0.1', 'resid_pdrop=0.1'] : []);
});

test('what changes numbers and no size leaves a model that can be planned for and not run', () => {
  const lacking = [
    { ...llama, quantization_config: { quant_method: 'fp8' } },
    { ...llama, attn_logit_softcapping: 50, final_logit_softcapping: 30 },
    { ...llama, model_type: 'gemma2', num_key_value_heads: 4, head_dim: 8 },
  ].map((json) => parseModelConfig(json, 'config.json'));
  expect(lacking.map(({ planOnly }) => planOnly)).toEqual([
    'its weights are quantised',
    'its scores of attention are capped, its logits are capped',
    'its scores of attention and its logits are capped',
  ]);
  for (const config of lacking) expect(() => refusePlanOnly(config)).toThrow('can be planned for but not run: its ');
  const plain = parseModelConfig({ ...llama, quantization_config: null, attn_logit_softcapping: null }, 'config.json');
  expect(plain.planOnly).toBeUndefined();
  refusePlanOnly(plain);
});

test('of a model of texts and pictures the model of texts is planned for', () => {
  const text = { ...llama, num_key_value_heads: 4 };
  const config = parseModelConfig({ model_type: 'gemma3', text_config: text, vision_config: {} }, 'config.json');
  expect(config).toMatchObject({ family: 'gemma3_text', planOnly: 'its model of pictures is missing' });
  const llama4 = { ...text, intermediate_size_mlp: 96, num_local_experts: 4, attention_chunk_size: 8, head_dim: 8 };
  const chunks = parseModelConfig(
    { model_type: 'llama4', text_config: { ...llama4, num_hidden_layers: 5, interleave_moe_layer_step: 2 } },
    'config.json',
  );
  expect(chunks).toMatchObject({
    ...{ family: 'llama4_text', intermediateSize: 96, window: 8, wholeLayers: [3] },
    mixture: { experts: 4, perToken: 1, intermediateSize: 64, sharedIntermediateSize: 64, denseLayers: [0, 2, 4] },
  });
  expect(chunks.planOnly).toContain('chunks');
});

test('latent attention, groups of experts and sharpened scores', () => {
  const config = parseModelConfig(
    { ...deepseek, n_group: 4, topk_group: 2, first_k_dense_replace: 1, n_shared_experts: 2, rope_scaling: yarnAll },
    'config.json',
  );
  expect(config).toMatchObject({
    headDim: 10,
    kvHeads: 4,
    latent: { queryRank: 10, keyValueRank: 12, plainDim: 6, rotatedDim: 4, valueDim: 8 },
    mixture: {
      ...{ experts: 8, perToken: 3, scores: 'sigmoid', normalised: true, chosenByBias: true, weightScale: 2.5 },
      ...{ intermediateSize: 4, sharedIntermediateSize: 8, sharedCountsInFull: true, denseLayers: [0] },
      groups: { count: 4, kept: 2, by: 'best two' },
    },
  });
  // 0.1 · ln 4 + 1, of queries and of keys.
  expect(config.attentionScale).toBeCloseTo((0.1 * Math.log(4) + 1) ** 2 / Math.sqrt(10), 12);
  const all = parseModelConfig({ ...llama, rope_scaling: yarn }, 'config.json');
  expect(all.attentionScale).toBeCloseTo((0.1 * Math.log(4) + 1) ** 2 / Math.sqrt(8), 12);
});

test('layers with a window and layers without', () => {
  const gemma3 = { ...llama, model_type: 'gemma3_text', num_key_value_heads: 4, num_hidden_layers: 7 };
  const config = parseModelConfig({ ...gemma3, sliding_window: 5 }, 'config.json');
  expect(config).toMatchObject({ window: 5, wholeLayers: [5] });
  expect([4, 5, 6].map((layer) => windowOf(config, layer))).toEqual([5, undefined, 5]);
  expect([4, 5, 6].map((layer) => layerLike(config, layer))).toEqual([0, 5, 0]);
  expect(parseModelConfig({ ...gemma3, sliding_window_pattern: 2 }, 'config.json').wholeLayers).toEqual([1, 3, 5]);
  expect(parseModelConfig({ ...gemma3, sliding_window: null }, 'config.json').wholeLayers).toBeUndefined();
});

test('keys that nobody knows are named, dropout is refused for training alone', () => {
  const config = parseModelConfig(
    { ...llama, new_thing: 3, constructor: 1, _name_or_path: 'x', attention_dropout: 0.2 },
    'c',
  );
  expect(config.ignored).toEqual(['new_thing', 'constructor']);
  expect(() => refuseDropout(config)).toThrowErrorMatchingInlineSnapshot(
    `[FivefoldError: the llama config: it asks for dropout (attention_dropout=0.2), and training here applies none; train without it: set attention_dropout=0]`,
  );
  expect(() => refuseDropout(parseModelConfig({ ...llama, attention_dropout: 0 }, 'c'))).not.toThrow();
});
