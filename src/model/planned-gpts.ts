// Families built like GPT-2 whose attention knows of positions by a bias alone (ALiBi: Press et al., 2022): planned for, not run.
import { z } from 'zod';
import { fail } from '../errors.ts';
import type { ModelConfig } from './config.ts';
import { checked, deviation, epsilon, type Family, silent, size, type TensorNames } from './family.ts';
import { judgeKeys, type KeyNotes } from './keys.ts';

interface Sizes {
  readonly family: string;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly epsilon: number;
  readonly std: number;
  readonly max: number;
  readonly ratio: number;
}

/** What both have in common. */
function planned(
  sizes: Sizes,
  notes: KeyNotes,
  json: Readonly<Record<string, unknown>>,
  path: string,
): Omit<ModelConfig, 'norm' | 'qkvBias' | 'outputBias' | 'mlpBias' | 'tiedHead'> {
  const { family, vocabSize, hiddenSize, layers, heads, ratio } = sizes;
  if (hiddenSize % heads !== 0)
    fail('CONFIG_INVALID', {
      path,
      problem: `${hiddenSize} features are not a multiple of ${heads} heads`,
      fix: 'use those of the model',
    });
  const headDim = hiddenSize / heads;
  return {
    ...{ family, vocabSize, hiddenSize, layers, heads, kvHeads: heads, headDim, intermediateSize: ratio * hiddenSize },
    gainOffset: 0,
    normEpsilon: sizes.epsilon,
    positions: { kind: 'none', max: sizes.max },
    embeddingScale: 1,
    activation: 'gelu',
    attentionScale: 1 / Math.sqrt(headDim),
    qkNorm: false,
    initialStd: sizes.std,
    weightOrder: 'out,in',
    ...notes,
    planOnly: 'its attention is biased by distance',
    source: json,
  };
}

const bloomLike = z.looseObject({
  model_type: z.string(),
  vocab_size: size.vocabulary,
  hidden_size: size.hidden.nullish(),
  /** The same by another name. */
  n_embed: size.hidden.nullish(),
  n_layer: size.layers,
  n_head: size.heads,
  seq_length: size.positions.default(2048),
  layer_norm_epsilon: epsilon.default(1e-5),
  initializer_range: deviation.default(0.02),
  tie_word_embeddings: z.boolean().default(true),
  // How it was trained and run, not what it is.
  ...silent(
    'attention_softmax_in_fp32',
    'bias_dropout_fusion',
    'masked_softmax_fusion',
    'offset_alibi',
    'unk_token_id',
  ),
});

const bloomNames: TensorNames = {
  embedding: 'transformer.word_embeddings',
  embeddingNorm: 'transformer.word_embeddings_layernorm',
  norm1: 'transformer.h.{}.input_layernorm',
  q: 'transformer.h.{}.self_attention.query_key_value[0/3]',
  k: 'transformer.h.{}.self_attention.query_key_value[1/3]',
  v: 'transformer.h.{}.self_attention.query_key_value[2/3]',
  output: 'transformer.h.{}.self_attention.dense',
  norm2: 'transformer.h.{}.post_attention_layernorm',
  up: 'transformer.h.{}.mlp.dense_h_to_4h',
  down: 'transformer.h.{}.mlp.dense_4h_to_h',
  finalNorm: 'transformer.ln_f',
  head: 'lm_head',
};

export const bloom: Family = {
  names: bloomNames,
  schema: bloomLike,
  parse(json, path) {
    const fixed = { apply_residual_connection_post_layernorm: [false], slow_but_exact: [false] };
    const notes = judgeKeys(json, { read: Object.keys(bloomLike.shape), fixed, path });
    const raw = checked(bloomLike, json, path);
    const hiddenSize =
      raw.hidden_size ??
      raw.n_embed ??
      fail('CONFIG_INVALID', { path, problem: 'hidden_size is missing', fix: 'add it' });
    const sizes: Sizes = {
      ...{ family: raw.model_type, vocabSize: raw.vocab_size, hiddenSize, layers: raw.n_layer, heads: raw.n_head },
      ...{ epsilon: raw.layer_norm_epsilon, std: raw.initializer_range, max: raw.seq_length, ratio: 4 },
    };
    return {
      ...planned(sizes, notes, json, path),
      norm: 'layer',
      embeddingNorm: true,
      qkvBias: true,
      outputBias: true,
      mlpBias: true,
      tiedHead: raw.tie_word_embeddings,
    };
  },
};

const mptLike = z.looseObject({
  model_type: z.string(),
  vocab_size: size.vocabulary.default(50368),
  d_model: size.hidden,
  n_layers: size.layers,
  n_heads: size.heads,
  expansion_ratio: z.number().int().positive().max(64).default(4),
  max_seq_len: size.positions.default(2048),
  layer_norm_epsilon: epsilon.default(1e-5),
  initializer_range: deviation.default(0.02),
  tie_word_embeddings: z.boolean().default(true),
  attn_config: z.looseObject({ alibi: z.literal(true).default(true) }).nullish(),
  ...silent('auto_map', 'emb_pdrop', 'embedding_fraction', 'init_config', 'init_device', 'tokenizer_name', 'verbose'),
});

const mptNames: TensorNames = {
  embedding: 'transformer.wte',
  norm1: 'transformer.blocks.{}.norm_1',
  q: 'transformer.blocks.{}.attn.Wqkv[0/3]',
  k: 'transformer.blocks.{}.attn.Wqkv[1/3]',
  v: 'transformer.blocks.{}.attn.Wqkv[2/3]',
  output: 'transformer.blocks.{}.attn.out_proj',
  norm2: 'transformer.blocks.{}.norm_2',
  up: 'transformer.blocks.{}.ffn.up_proj',
  down: 'transformer.blocks.{}.ffn.down_proj',
  finalNorm: 'transformer.norm_f',
  head: 'lm_head',
};

export const mpt: Family = {
  names: mptNames,
  schema: mptLike,
  parse(json, path) {
    const fixed = { no_bias: [true], learned_pos_emb: [true], norm_type: ['low_precision_layernorm'] };
    const notes = judgeKeys(json, { read: Object.keys(mptLike.shape), fixed, path });
    const raw = checked(mptLike, json, path);
    const sizes: Sizes = {
      ...{ family: raw.model_type, vocabSize: raw.vocab_size, hiddenSize: raw.d_model },
      ...{ layers: raw.n_layers, heads: raw.n_heads, ratio: raw.expansion_ratio },
      ...{ epsilon: raw.layer_norm_epsilon, std: raw.initializer_range, max: raw.max_seq_len },
    };
    return {
      ...planned(sizes, notes, json, path),
      norm: 'layer without bias',
      qkvBias: false,
      outputBias: false,
      mlpBias: false,
      tiedHead: raw.tie_word_embeddings,
    };
  },
};
