// Families built like Llama: rotary positions, RMSNorm, SwiGLU; they differ in names, biases, head norms and windows.
import { z } from 'zod';
import { fail } from '../errors.ts';
import type { ModelConfig } from './config.ts';
import { checked, type Family, size, type TensorNames, unsupported } from './family.ts';
import { ropeFrequencies, ropeSchema } from './rope.ts';

/** The keys of a Llama-like config.json that we read. */
const llamaLike = z.looseObject({
  model_type: z.string(),
  vocab_size: size,
  hidden_size: size,
  num_hidden_layers: size,
  num_attention_heads: size,
  num_key_value_heads: size.nullish(),
  head_dim: size.nullish(),
  intermediate_size: size,
  hidden_act: z.string().default('silu'),
  rms_norm_eps: z.number().positive().default(1e-6),
  max_position_embeddings: size.default(2048),
  initializer_range: z.number().positive().default(0.02),
  tie_word_embeddings: z.boolean().default(false),
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
  rope_theta: z.number().positive().optional(),
  rope_scaling: ropeSchema.nullish(),
  rope_parameters: ropeSchema.nullish(),
  sliding_window: size.nullish(),
  use_sliding_window: z.boolean().optional(),
});

export const llamaNames: TensorNames = {
  embedding: 'model.embed_tokens',
  norm1: 'model.layers.{}.input_layernorm',
  q: 'model.layers.{}.self_attn.q_proj',
  k: 'model.layers.{}.self_attn.k_proj',
  v: 'model.layers.{}.self_attn.v_proj',
  output: 'model.layers.{}.self_attn.o_proj',
  norm2: 'model.layers.{}.post_attention_layernorm',
  gate: 'model.layers.{}.mlp.gate_proj',
  up: 'model.layers.{}.mlp.up_proj',
  down: 'model.layers.{}.mlp.down_proj',
  finalNorm: 'model.norm',
  head: 'lm_head',
};

/** Llama's, and the norms of every query and key head. */
export const qkNormNames: TensorNames = {
  ...llamaNames,
  qNorm: 'model.layers.{}.self_attn.q_norm',
  kNorm: 'model.layers.{}.self_attn.k_norm',
};

type Switches = Pick<ModelConfig, 'qkvBias' | 'outputBias' | 'qkNorm'> & { readonly windowed: boolean };

export function llamaFamily(
  switches: (raw: z.infer<typeof llamaLike>) => Switches,
  names: TensorNames = llamaNames,
): Family {
  return {
    names,
    parse(json, path) {
      const raw = checked(llamaLike, json, path);
      const { qkvBias, outputBias, qkNorm, windowed } = switches(raw);
      if (!windowed && raw.use_sliding_window) unsupported(path, 'use_sliding_window', 'true', 'false');
      if (raw.hidden_act !== 'silu') unsupported(path, 'hidden_act', raw.hidden_act, 'silu');
      const headDim = raw.head_dim ?? raw.hidden_size / raw.num_attention_heads;
      if (!Number.isInteger(headDim) || headDim % 2 !== 0)
        fail('CONFIG_INVALID', {
          path,
          problem: `heads of ${headDim} features cannot be rotated in pairs`,
          fix: 'make hidden_size an even multiple of num_attention_heads, or set head_dim',
        });
      const kvHeads = raw.num_key_value_heads ?? raw.num_attention_heads;
      if (raw.num_attention_heads % kvHeads !== 0)
        fail('CONFIG_INVALID', {
          path,
          problem: `num_attention_heads ${raw.num_attention_heads} is not a multiple of num_key_value_heads ${kvHeads}`,
          fix: `use a multiple of ${kvHeads}`,
        });
      const rope = raw.rope_parameters ?? { rope_theta: raw.rope_theta, ...raw.rope_scaling };
      const frequencies = ropeFrequencies(headDim, rope.rope_theta ?? raw.rope_theta ?? 10000, rope);
      if (!frequencies)
        return unsupported(path, 'rope_type', `${rope.rope_type ?? rope.type}`, 'default, linear or llama3');
      return {
        family: raw.model_type,
        vocabSize: raw.vocab_size,
        hiddenSize: raw.hidden_size,
        layers: raw.num_hidden_layers,
        heads: raw.num_attention_heads,
        kvHeads,
        headDim,
        intermediateSize: raw.intermediate_size,
        norm: 'rms',
        normEpsilon: raw.rms_norm_eps,
        positions: { kind: 'rotary', frequencies, max: raw.max_position_embeddings },
        activation: 'swiglu',
        qkvBias,
        outputBias,
        mlpBias: raw.mlp_bias,
        qkNorm,
        tiedHead: raw.tie_word_embeddings,
        ...(windowed && raw.sliding_window ? { window: raw.sliding_window } : {}),
        initialStd: raw.initializer_range,
        weightOrder: 'out,in',
        source: json,
      };
    },
  };
}
