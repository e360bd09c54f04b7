// Model families: a table of names and switches. A new family is one entry.
import { z } from 'zod';
import { fail } from '../errors.ts';
import type { ModelConfig } from './config.ts';
import { deepseekV2, deepseekV3, glmMoeDsa } from './deepseek.ts';
import { checked, type Family, type MixtureNames, type TensorNames } from './family.ts';
import { gpt2 } from './gpt2.ts';
import type { FixedKeys } from './keys.ts';
import { llamaFamily, llamaNames, qkNormNames } from './llama-like.ts';
import { mixtureReader } from './mixture-keys.ts';
import { bloom, mpt } from './planned-gpts.ts';
import { gptOss, grok1, llama4, minimaxM2 } from './planned-llamas.ts';

/** Keys of transformers' Llama that other families' code does not have. */
const noBiases: FixedKeys = { attention_bias: [false], mlp_bias: [false] };
const noWindow: FixedKeys = { sliding_window: [], use_sliding_window: [false] };

/** Where the norms around attention and MLP are in Gemma from 2 on. */
const fourNorms: TensorNames = {
  ...llamaNames,
  postNorm1: 'model.layers.{}.post_attention_layernorm',
  norm2: 'model.layers.{}.pre_feedforward_layernorm',
  postNorm2: 'model.layers.{}.post_feedforward_layernorm',
};

/** Noise and losses of routers that are not there. */
const plainRouter: FixedKeys = { output_router_logits: [false], router_jitter_noise: [0] };

const qwenExperts: MixtureNames = {
  router: 'model.layers.{}.mlp.gate',
  gate: 'model.layers.{}.mlp.experts.{}.gate_proj',
  up: 'model.layers.{}.mlp.experts.{}.up_proj',
  down: 'model.layers.{}.mlp.experts.{}.down_proj',
};

/** Families by `model_type`. */
export const families: Readonly<Record<string, Family>> = {
  gpt2,
  bloom,
  deepseek_v2: deepseekV2,
  deepseek_v3: deepseekV3,
  gemma: llamaFamily({
    switches: (raw) => ({ qkvBias: raw.attention_bias, outputBias: raw.attention_bias, qkNorm: false }),
    // Its first configs say gelu and mean the tanh approximation; transformers reads them so.
    activation: { is: 'geglu', names: ['gelu_pytorch_tanh', 'gelu_new', 'gelu'] },
    gainOffset: 1,
    embeddingScale: (raw) => Math.sqrt(raw.hidden_size),
    windowed: false,
    fixed: { ...noWindow, mlp_bias: [false], hidden_activation: ['gelu_pytorch_tanh'] },
    defaults: { max_position_embeddings: 8192, num_key_value_heads: 16, head_dim: 256, tie_word_embeddings: true },
  }),
  gemma2: llamaFamily({
    names: fourNorms,
    switches: (raw) => ({ qkvBias: raw.attention_bias, outputBias: raw.attention_bias, qkNorm: false }),
    activation: { is: 'geglu', names: ['gelu_pytorch_tanh'] },
    gainOffset: 1,
    postNorms: true,
    embeddingScale: (raw) => Math.sqrt(raw.hidden_size),
    windowed: true,
    wholeEvery: 2,
    reads: ['query_pre_attn_scalar'],
    fixed: { use_sliding_window: [true], mlp_bias: [false], hidden_activation: ['gelu_pytorch_tanh'] },
    defaults: {
      ...{ max_position_embeddings: 8192, num_key_value_heads: 4, head_dim: 256, sliding_window: 4096 },
      ...{ query_pre_attn_scalar: 256, tie_word_embeddings: true },
    },
    planOnly: 'its scores of attention and its logits are capped',
  }),
  gemma3_text: llamaFamily({
    names: { ...fourNorms, qNorm: qkNormNames.qNorm!, kNorm: qkNormNames.kNorm! },
    switches: (raw) => ({ qkvBias: raw.attention_bias, outputBias: raw.attention_bias, qkNorm: true }),
    activation: { is: 'geglu', names: ['gelu_pytorch_tanh'] },
    gainOffset: 1,
    postNorms: true,
    embeddingScale: (raw) => Math.sqrt(raw.hidden_size),
    windowed: true,
    wholeEvery: 6,
    reads: ['query_pre_attn_scalar', 'sliding_window_pattern', 'rope_local_base_freq'],
    fixed: { use_sliding_window: [true], mlp_bias: [false], hidden_activation: ['gelu_pytorch_tanh'] },
    defaults: {
      ...{ max_position_embeddings: 131072, num_key_value_heads: 4, head_dim: 256, sliding_window: 4096 },
      ...{ query_pre_attn_scalar: 256, rope_local_base_freq: 10000, tie_word_embeddings: true },
    },
    defaultTheta: 1000000,
  }),
  glm_moe_dsa: glmMoeDsa,
  gpt_oss: gptOss,
  'grok-1': grok1,
  llama: llamaFamily({
    switches: (raw) => ({ qkvBias: raw.attention_bias, outputBias: raw.attention_bias, qkNorm: false }),
    windowed: false,
    fixed: noWindow,
    defaults: { max_position_embeddings: 2048 },
  }),
  llama4_text: llama4,
  minimax_m2: minimaxM2,
  mistral: llamaFamily({
    switches: () => ({ qkvBias: false, outputBias: false, qkNorm: false }),
    windowed: true,
    fixed: { ...noBiases, use_sliding_window: [true] },
    defaults: { max_position_embeddings: 131072, num_key_value_heads: 8, sliding_window: 4096 },
  }),
  mixtral: llamaFamily({
    switches: () => ({ qkvBias: false, outputBias: false, qkNorm: false }),
    mixture: mixtureReader({
      names: {
        router: 'model.layers.{}.block_sparse_moe.gate',
        gate: 'model.layers.{}.block_sparse_moe.experts.{}.w1',
        up: 'model.layers.{}.block_sparse_moe.experts.{}.w3',
        down: 'model.layers.{}.block_sparse_moe.experts.{}.w2',
      },
      defaults: { num_experts: 8, num_experts_per_tok: 2, norm_topk_prob: true },
      isEverywhere: true,
    }),
    windowed: true,
    fixed: { ...noBiases, ...plainRouter, use_sliding_window: [true] },
    defaults: { max_position_embeddings: 131072, num_key_value_heads: 8, rms_norm_eps: 1e-5 },
    defaultTheta: 1000000,
  }),
  mpt,
  nemotron: llamaFamily({
    switches: (raw) => ({ qkvBias: raw.attention_bias, outputBias: raw.attention_bias, qkNorm: false }),
    activation: { is: 'squared relu', names: ['relu2'] },
    norm: 'layer',
    gainOffset: 1,
    windowed: false,
    reads: ['norm_eps', 'partial_rotary_factor'],
    fixed: { ...noWindow, rms_norm_eps: [] },
    defaults: { max_position_embeddings: 4096, norm_eps: 1e-5, partial_rotary_factor: 0.5 },
  }),
  qwen2: llamaFamily({
    switches: () => ({ qkvBias: true, outputBias: false, qkNorm: false }),
    windowed: false,
    // Its configs carry the window's length with the switch off.
    fixed: { attention_bias: [true], mlp_bias: [false], use_sliding_window: [false] },
    defaults: { max_position_embeddings: 32768, num_key_value_heads: 32 },
  }),
  qwen2_moe: llamaFamily({
    switches: () => ({ qkvBias: true, outputBias: false, qkNorm: false }),
    mixture: mixtureReader({
      names: {
        ...qwenExperts,
        shared: {
          router: 'model.layers.{}.mlp.shared_expert_gate',
          gate: 'model.layers.{}.mlp.shared_expert.gate_proj',
          up: 'model.layers.{}.mlp.shared_expert.up_proj',
          down: 'model.layers.{}.mlp.shared_expert.down_proj',
        },
      },
      defaults: {
        num_experts: 60,
        num_experts_per_tok: 4,
        moe_intermediate_size: 1408,
        shared_expert_intermediate_size: 5632,
        norm_topk_prob: false,
      },
    }),
    windowed: false,
    fixed: { ...plainRouter, attention_bias: [true], qkv_bias: [true], mlp_bias: [false], use_sliding_window: [false] },
    defaults: { max_position_embeddings: 32768, num_key_value_heads: 16 },
  }),
  qwen3: llamaFamily({
    names: qkNormNames,
    switches: (raw) => ({ qkvBias: raw.attention_bias, outputBias: raw.attention_bias, qkNorm: true }),
    windowed: false,
    fixed: { mlp_bias: [false], use_sliding_window: [false] },
    defaults: { max_position_embeddings: 32768, num_key_value_heads: 32, head_dim: 128 },
  }),
  qwen3_moe: llamaFamily({
    names: qkNormNames,
    switches: (raw) => ({ qkvBias: raw.attention_bias, outputBias: raw.attention_bias, qkNorm: true }),
    mixture: mixtureReader({
      names: qwenExperts,
      defaults: { num_experts: 128, num_experts_per_tok: 8, moe_intermediate_size: 768, norm_topk_prob: false },
    }),
    windowed: false,
    fixed: { ...plainRouter, mlp_bias: [false], use_sliding_window: [false] },
    defaults: { max_position_embeddings: 32768, num_key_value_heads: 4 },
  }),
};

/** Models of texts and pictures, by the family of the model of texts in them. */
const texts: Readonly<Record<string, string>> = { gemma3: 'gemma3_text', llama4: 'llama4_text' };

/** The family of a config.json; FAMILY_UNSUPPORTED or CONFIG_INVALID. */
export function familyOf(json: unknown, path: string): Family {
  const { model_type: family } = checked(z.looseObject({ model_type: z.string() }), json, path);
  if (Object.hasOwn(families, family)) return families[family]!;
  return fail('FAMILY_UNSUPPORTED', { path, family, allowed: Object.keys(families).join(', ') });
}

/** Reads a Hugging Face config.json; FAMILY_UNSUPPORTED or CONFIG_INVALID with the fix. */
export function parseModelConfig(json: unknown, path: string): ModelConfig {
  const { model_type: type, text_config: text } = checked(ofPictures, json, path);
  if (text === undefined || !Object.hasOwn(texts, type))
    return familyOf(json, path).parse(json as Record<string, unknown>, path);
  const config = parseModelConfig({ ...text, model_type: texts[type] }, path);
  const planOnly = [config.planOnly, 'its model of pictures is missing'].filter((each) => each !== undefined);
  return { ...config, planOnly: planOnly.join(', '), source: json as ModelConfig['source'] };
}

const ofPictures = z.looseObject({ model_type: z.string(), text_config: z.looseObject({}).optional() });

export const tensorNames = (config: ModelConfig): TensorNames => families[config.family]!.names;
