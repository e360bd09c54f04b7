// The GPT-2 family: learned positions, LayerNorm, GELU, biases everywhere, query, key and value in one tensor.
import { z } from 'zod';
import { fail } from '../errors.ts';
import { checked, deviation, epsilon, type Family, size, type TensorNames, unsupported } from './family.ts';
import { type FixedKeys, judgeKeys } from './keys.ts';

const gpt2Like = z.looseObject({
  model_type: z.string(),
  vocab_size: size.vocabulary,
  n_embd: size.hidden,
  n_layer: size.layers,
  n_head: size.heads,
  n_positions: size.positions.default(1024),
  n_inner: size.mlp.nullish(),
  activation_function: z.string().default('gelu_new'),
  layer_norm_epsilon: epsilon.default(1e-5),
  initializer_range: deviation.default(0.02),
  tie_word_embeddings: z.boolean().default(true),
});

/** What GPT-2's code can do and ours cannot, and names that its config takes for its own. */
const fixed: FixedKeys = {
  scale_attn_weights: [true],
  scale_attn_by_inverse_layer_idx: [false],
  hidden_size: [],
  num_hidden_layers: [],
  num_attention_heads: [],
  max_position_embeddings: [],
};

const gpt2Names: TensorNames = {
  embedding: 'transformer.wte',
  positions: 'transformer.wpe',
  norm1: 'transformer.h.{}.ln_1',
  q: 'transformer.h.{}.attn.c_attn[0/3]',
  k: 'transformer.h.{}.attn.c_attn[1/3]',
  v: 'transformer.h.{}.attn.c_attn[2/3]',
  output: 'transformer.h.{}.attn.c_proj',
  norm2: 'transformer.h.{}.ln_2',
  up: 'transformer.h.{}.mlp.c_fc',
  down: 'transformer.h.{}.mlp.c_proj',
  finalNorm: 'transformer.ln_f',
  head: 'lm_head',
};

export const gpt2: Family = {
  names: gpt2Names,
  schema: gpt2Like,
  parse(json, path) {
    const notes = judgeKeys(json, { read: Object.keys(gpt2Like.shape), fixed, path });
    const raw = checked(gpt2Like, json, path);
    if (!['gelu_new', 'gelu_pytorch_tanh'].includes(raw.activation_function))
      unsupported(path, 'activation_function', raw.activation_function, 'gelu_new');
    if (raw.n_embd % raw.n_head !== 0)
      fail('CONFIG_INVALID', {
        path,
        problem: `n_embd ${raw.n_embd} is not a multiple of n_head ${raw.n_head}`,
        fix: `use a multiple of ${raw.n_head}`,
      });
    return {
      family: raw.model_type,
      vocabSize: raw.vocab_size,
      hiddenSize: raw.n_embd,
      layers: raw.n_layer,
      heads: raw.n_head,
      kvHeads: raw.n_head,
      headDim: raw.n_embd / raw.n_head,
      intermediateSize: raw.n_inner ?? 4 * raw.n_embd,
      norm: 'layer',
      gainOffset: 0,
      normEpsilon: raw.layer_norm_epsilon,
      positions: { kind: 'learned', max: raw.n_positions },
      embeddingScale: 1,
      activation: 'gelu',
      attentionScale: 1 / Math.sqrt(raw.n_embd / raw.n_head),
      qkvBias: true,
      outputBias: true,
      mlpBias: true,
      qkNorm: false,
      tiedHead: raw.tie_word_embeddings,
      initialStd: raw.initializer_range,
      weightOrder: 'in,out',
      ...notes,
      source: json,
    };
  },
};
