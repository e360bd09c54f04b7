// Model families: a table of names and switches. A new family is one entry.
import { z } from 'zod';
import { fail } from '../errors.ts';
import type { ModelConfig } from './config.ts';
import { ropeFrequencies, ropeSchema } from './rope.ts';

const size = z.number().int().positive();

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

const gpt2Like = z.looseObject({
  model_type: z.string(),
  vocab_size: size,
  n_embd: size,
  n_layer: size,
  n_head: size,
  n_positions: size.default(1024),
  n_inner: size.nullish(),
  activation_function: z.string().default('gelu_new'),
  layer_norm_epsilon: z.number().positive().default(1e-5),
  initializer_range: z.number().positive().default(0.02),
  tie_word_embeddings: z.boolean().default(true),
  scale_attn_weights: z.boolean().default(true),
  scale_attn_by_inverse_layer_idx: z.boolean().default(false),
});

/** Where the weights are in a checkpoint. `{}` is the layer's number; a `[i/n]` suffix is the i-th of n equal parts of the out dim. */
export interface TensorNames {
  readonly embedding: string;
  readonly positions?: string;
  readonly norm1: string;
  readonly q: string;
  readonly k: string;
  readonly v: string;
  readonly output: string;
  readonly norm2: string;
  readonly gate?: string;
  readonly up: string;
  readonly down: string;
  readonly qNorm?: string;
  readonly kNorm?: string;
  readonly finalNorm: string;
  readonly head: string;
}

interface Family {
  readonly names: TensorNames;
  /** Parses a config.json; `path` is for messages. */
  readonly parse: (json: Readonly<Record<string, unknown>>, path: string) => ModelConfig;
}

const llamaNames: TensorNames = {
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

type Switches = Pick<ModelConfig, 'qkvBias' | 'outputBias' | 'qkNorm'> & { readonly windowed: boolean };

function llamaFamily(switches: (raw: z.infer<typeof llamaLike>) => Switches, names: TensorNames = llamaNames): Family {
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

const gpt2: Family = {
  names: gpt2Names,
  parse(json, path) {
    const raw = checked(gpt2Like, json, path);
    if (!['gelu_new', 'gelu_pytorch_tanh'].includes(raw.activation_function))
      unsupported(path, 'activation_function', raw.activation_function, 'gelu_new');
    if (!raw.scale_attn_weights) unsupported(path, 'scale_attn_weights', 'false', 'true');
    if (raw.scale_attn_by_inverse_layer_idx) unsupported(path, 'scale_attn_by_inverse_layer_idx', 'true', 'false');
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
      normEpsilon: raw.layer_norm_epsilon,
      positions: { kind: 'learned', max: raw.n_positions },
      activation: 'gelu',
      qkvBias: true,
      outputBias: true,
      mlpBias: true,
      qkNorm: false,
      tiedHead: raw.tie_word_embeddings,
      initialStd: raw.initializer_range,
      weightOrder: 'in,out',
      source: json,
    };
  },
};

const qkNormNames: TensorNames = {
  ...llamaNames,
  qNorm: 'model.layers.{}.self_attn.q_norm',
  kNorm: 'model.layers.{}.self_attn.k_norm',
};

/** Families by `model_type`. */
export const families: Readonly<Record<string, Family>> = {
  gpt2,
  llama: llamaFamily((raw) => ({
    qkvBias: raw.attention_bias,
    outputBias: raw.attention_bias,
    qkNorm: false,
    windowed: false,
  })),
  mistral: llamaFamily(() => ({ qkvBias: false, outputBias: false, qkNorm: false, windowed: true })),
  qwen2: llamaFamily(() => ({
    qkvBias: true,
    outputBias: false,
    qkNorm: false,
    windowed: false,
  })),
  qwen3: llamaFamily(
    (raw) => ({
      qkvBias: raw.attention_bias,
      outputBias: raw.attention_bias,
      qkNorm: true,
      windowed: false,
    }),
    qkNormNames,
  ),
};

/** Reads a Hugging Face config.json; FAMILY_UNSUPPORTED or CONFIG_INVALID with the fix. */
export function parseModelConfig(json: unknown, path: string): ModelConfig {
  const { model_type: family } = checked(z.looseObject({ model_type: z.string() }), json, path);
  const known =
    families[family] ?? fail('FAMILY_UNSUPPORTED', { path, family, allowed: Object.keys(families).join(', ') });
  return known.parse(json as Record<string, unknown>, path);
}

export const tensorNames = (config: ModelConfig): TensorNames => families[config.family]!.names;

function checked<T extends z.ZodType>(schema: T, json: unknown, path: string): z.infer<T> {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  return fail('CONFIG_INVALID', {
    path,
    problem: [...issue.path, issue.message].join(': '),
    fix: 'use the config.json of a Hugging Face model',
  });
}

const unsupported = (path: string, key: string, given: string, allowed: string): never =>
  fail('CONFIG_INVALID', { path, problem: `${key} ${given} is not supported`, fix: `use ${allowed}` });
