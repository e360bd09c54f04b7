// Families built like Llama of which something is missing: planned for, not run.
import { z } from 'zod';
import { type Family, silent, size, type TensorNames } from './family.ts';
import { llamaFamily, llamaNames } from './llama-like.ts';
import { expectChoice, type MixtureReader, mixtureReader } from './mixture-keys.ts';

const noBias = () => ({ qkvBias: false, outputBias: false, qkNorm: false });
const routerKeys = { output_router_logits: [false], router_jitter_noise: [0] };

/** Every second layer sees few tokens, heads have sinks, experts have biases and bounds. */
export const gptOss: Family = llamaFamily({
  names: { ...llamaNames, sinks: 'model.layers.{}.self_attn.sinks' },
  switches: (raw) => ({ qkvBias: raw.attention_bias, outputBias: raw.attention_bias, qkNorm: false }),
  mixture: mixtureReader({
    names: {
      router: 'model.layers.{}.mlp.router',
      gate: 'model.layers.{}.mlp.experts.{}.gate_proj',
      up: 'model.layers.{}.mlp.experts.{}.up_proj',
      down: 'model.layers.{}.mlp.experts.{}.down_proj',
    },
    defaults: { num_experts: 128, num_experts_per_tok: 4, norm_topk_prob: true },
    isEverywhere: true,
    biases: true,
  }),
  sinks: true,
  windowed: true,
  wholeEvery: 2,
  adapts: silent('experts_per_token', 'initial_context_length', 'swiglu_alpha', 'swiglu_limit'),
  fixed: { ...routerKeys, mlp_bias: [false] },
  defaults: {
    ...{ max_position_embeddings: 131072, num_key_value_heads: 8, head_dim: 64, rms_norm_eps: 1e-5 },
    ...{ sliding_window: 128, attention_bias: true },
  },
  defaultTheta: 150000,
  planOnly: 'its heads have sinks and its experts have bounds and biases',
});

const grokNames: TensorNames = {
  embedding: 'model.embed_tokens',
  norm1: 'model.layers.{}.pre_attn_norm',
  q: 'model.layers.{}.attn.q_proj',
  k: 'model.layers.{}.attn.k_proj',
  v: 'model.layers.{}.attn.v_proj',
  output: 'model.layers.{}.attn.o_proj',
  postNorm1: 'model.layers.{}.post_attn_norm',
  norm2: 'model.layers.{}.pre_moe_norm',
  postNorm2: 'model.layers.{}.post_moe_norm',
  up: '',
  down: '',
  finalNorm: 'model.norm',
  head: 'lm_head',
};

/** As its conversions to Hugging Face's form describe it. */
export const grok1: Family = llamaFamily({
  names: grokNames,
  switches: noBias,
  activation: { is: 'geglu', names: ['gelu'] },
  postNorms: true,
  mixture: mixtureReader({
    names: {
      router: 'model.layers.{}.moe_block.gate',
      gate: 'model.layers.{}.moe_block.experts.{}.linear_v',
      up: 'model.layers.{}.moe_block.experts.{}.linear',
      down: 'model.layers.{}.moe_block.experts.{}.linear_1',
    },
    defaults: { num_experts: 8, num_experts_per_tok: 2, norm_topk_prob: false },
    isEverywhere: true,
  }),
  windowed: false,
  adapts: silent(
    'attn_output_multiplier',
    'auto_map',
    'embedding_multiplier_scale',
    'max_attn_value',
    'output_multiplier_scale',
    'router_aux_loss_coef',
  ),
  fixed: { ...routerKeys, attention_bias: [false], mlp_bias: [false] },
  defaults: { max_position_embeddings: 8192, num_key_value_heads: 8, rms_norm_eps: 1e-5, tie_word_embeddings: true },
  planOnly: 'its scores of attention are capped and its outputs are scaled',
});

/** Its norms of queries and keys are of all heads together. */
export const minimaxM2: Family = llamaFamily({
  names: { ...llamaNames, qNorm: 'model.layers.{}.self_attn.q_norm', kNorm: 'model.layers.{}.self_attn.k_norm' },
  switches: () => ({ ...noBias(), qkNorm: true }),
  mixture: mixtureReader({
    names: {
      router: 'model.layers.{}.block_sparse_moe.gate',
      gate: 'model.layers.{}.block_sparse_moe.experts.{}.w1',
      up: 'model.layers.{}.block_sparse_moe.experts.{}.w3',
      down: 'model.layers.{}.block_sparse_moe.experts.{}.w2',
    },
    defaults: { num_experts: 256, num_experts_per_tok: 8, norm_topk_prob: true },
    isEverywhere: true,
  }),
  windowed: false,
  adapts: silent(
    ...['attn_type_list', 'mtp_transformer_layers', 'num_mtp_modules', 'qk_norm_type', 'rotary_dim'],
    ...['shared_intermediate_size', 'use_mtp', 'use_qk_norm', 'use_routing_bias'],
  ),
  fixed: { ...routerKeys, attention_bias: [false], mlp_bias: [false] },
  defaults: { max_position_embeddings: 196608, num_key_value_heads: 8, head_dim: 128 },
  defaultTheta: 5000000,
  planOnly: 'its queries and keys are normed over all heads',
});

const llama4Keys = z.looseObject({
  num_hidden_layers: size.layers,
  intermediate_size: size.mlp,
  /** Of layers without experts. */
  intermediate_size_mlp: size.mlp.nullish(),
  num_local_experts: size.experts.default(16),
  num_experts_per_tok: size.experts.default(1),
  /** Every so many layers the last has experts. */
  interleave_moe_layer_step: size.layers.nullish(),
  moe_layers: z.array(z.number().int().nonnegative()).nullish(),
  attention_chunk_size: size.window.nullish(),
  no_rope_layers: z.array(z.number()).nullish(),
  no_rope_layer_interval: size.layers.nullish(),
});

/** One expert of many and one that every token has. */
const llama4Mixture: MixtureReader = {
  names: {
    router: 'model.layers.{}.feed_forward.router',
    gate: 'model.layers.{}.feed_forward.experts.{}.gate_proj',
    up: 'model.layers.{}.feed_forward.experts.{}.up_proj',
    down: 'model.layers.{}.feed_forward.experts.{}.down_proj',
    shared: {
      gate: 'model.layers.{}.feed_forward.shared_expert.gate_proj',
      up: 'model.layers.{}.feed_forward.shared_expert.up_proj',
      down: 'model.layers.{}.feed_forward.shared_expert.down_proj',
    },
  },
  shape: {},
  read(json, layers, path) {
    const { num_local_experts: experts, num_experts_per_tok: perToken, ...raw } = llama4Keys.parse(json);
    expectChoice(perToken, experts, path);
    const width = z.object({ expert_width: size.mlp }).parse(json).expert_width;
    const step = raw.interleave_moe_layer_step ?? 1;
    const hasExperts = (layer: number) => raw.moe_layers?.includes(layer) ?? (layer + 1) % step === 0;
    return {
      ...{ experts, perToken, scores: 'sigmoid', normalised: false },
      ...{ intermediateSize: width, sharedIntermediateSize: width, sharedCountsInFull: true },
      denseLayers: Array.from({ length: layers }, (_, layer) => layer).filter((layer) => !hasExperts(layer)),
    };
  },
};

/** Chunks that queries see no further than are planned for as windows of their length. */
export const llama4: Family = llamaFamily({
  names: {
    ...llamaNames,
    gate: 'model.layers.{}.feed_forward.gate_proj',
    up: 'model.layers.{}.feed_forward.up_proj',
    down: 'model.layers.{}.feed_forward.down_proj',
  },
  switches: noBias,
  mixture: llama4Mixture,
  windowed: true,
  wholeEvery: 4,
  adapts: {
    ...llama4Keys.shape,
    ...silent(
      'attn_scale',
      'attn_temperature_tuning',
      'cache_implementation',
      'floor_scale',
      'for_llm_compressor',
      'router_aux_loss_coef',
      'use_qk_norm',
      'output_router_logits',
      'router_jitter_noise',
    ),
  },
  adapt(json) {
    const raw = llama4Keys.safeParse(json).data;
    if (!raw) return json;
    const every = raw.no_rope_layer_interval ?? 4;
    const isWhole = (layer: number) =>
      raw.no_rope_layers?.length ? raw.no_rope_layers[layer] === 0 : (layer + 1) % every === 0;
    const layers = Array.from({ length: raw.num_hidden_layers }, (_, layer) => layer);
    return {
      ...json,
      intermediate_size: raw.intermediate_size_mlp ?? raw.intermediate_size,
      expert_width: raw.intermediate_size,
      sliding_window: raw.attention_chunk_size ?? null,
      layer_types: layers.map((layer) =>
        isWhole(layer) || !raw.attention_chunk_size ? 'full_attention' : 'sliding_attention',
      ),
    };
  },
  fixed: { mlp_bias: [false], attention_bias: [false] },
  defaults: { max_position_embeddings: 131072, num_key_value_heads: 8, head_dim: 128, rms_norm_eps: 1e-5 },
  defaultTheta: 500000,
  planOnly: 'its attention looks at chunks and its experts weigh what they are given',
});
