// Families built like Llama: rotary positions, RMSNorm, SwiGLU; they differ in names, biases, head norms and windows.
import { z } from 'zod';
import { fail } from '../errors.ts';
import type { ModelConfig } from './config.ts';
import { checked, deviation, epsilon, type Family, size, type TensorNames, unsupported } from './family.ts';
import { type FixedKeys, judgeKeys } from './keys.ts';
import { type MixtureVariant, mixtureShape, readMixture } from './mixture-keys.ts';
import { type RopeParameters, ropeFrequencies, ropeSchema, theta } from './rope.ts';

/** The keys of a Llama-like config.json that we read. */
const llamaLike = z.looseObject({
  model_type: z.string(),
  vocab_size: size.vocabulary,
  hidden_size: size.hidden,
  num_hidden_layers: size.layers,
  num_attention_heads: size.heads,
  num_key_value_heads: size.heads.nullish(),
  head_dim: size.headDim.nullish(),
  intermediate_size: size.mlp,
  hidden_act: z.string().nullish(),
  rms_norm_eps: epsilon.optional(),
  max_position_embeddings: size.positions.optional(),
  initializer_range: deviation.default(0.02),
  tie_word_embeddings: z.boolean().optional(),
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
  rope_theta: theta,
  rope_scaling: ropeSchema.nullish(),
  rope_parameters: ropeSchema.nullish(),
  sliding_window: size.window.nullish(),
  use_sliding_window: z.boolean().nullish(),
  layer_types: z.array(z.string()).nullish(),
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

/** What is read of a config.json; where a key is missing, its family's default in transformers. */
export type LlamaLike = z.infer<typeof llamaLike>;

type Switches = Pick<ModelConfig, 'qkvBias' | 'outputBias' | 'qkNorm'>;

export interface LlamaVariant {
  readonly names?: TensorNames;
  readonly switches: (raw: LlamaLike) => Switches;
  /** How the MLP is activated, and what its config.json calls that. */
  readonly activation?: { readonly is: ModelConfig['activation']; readonly names: readonly string[] };
  readonly gainOffset?: ModelConfig['gainOffset'];
  readonly embeddingScale?: (raw: LlamaLike) => number;
  /** Whether attention has the window that `sliding_window` names. */
  readonly windowed: boolean;
  /** Keys that transformers' code of this family ignores or cannot do without. */
  readonly fixed: FixedKeys;
  /** What transformers takes for keys that are missing. */
  readonly defaults: Partial<LlamaLike> & { readonly max_position_embeddings: number };
  readonly defaultTheta?: number;
  /** Of families that have experts. */
  readonly mixture?: MixtureVariant;
}

const silu = { is: 'swiglu', names: ['silu'] } as const;

export function llamaFamily(variant: LlamaVariant): Family {
  const { names = llamaNames, switches, windowed, fixed, defaults } = variant;
  const { activation = silu, gainOffset = 0, embeddingScale = () => 1, defaultTheta = 10000, mixture } = variant;
  const schema = mixture ? llamaLike.extend(mixtureShape(mixture)) : llamaLike;
  return {
    names: mixture ? { ...names, mixture: mixture.names } : names,
    schema,
    parse(json, path) {
      const notes = judgeKeys(json, { read: Object.keys(schema.shape), fixed, path });
      const raw = { ...defaults, ...checked(llamaLike, json, path) };
      const { qkvBias, outputBias, qkNorm } = switches(raw);
      const act = raw.hidden_act ?? activation.names[0]!;
      if (!activation.names.includes(act)) unsupported(path, 'hidden_act', act, activation.names[0]!);
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
      if (windowed && raw.sliding_window === 0) unsupported(path, 'sliding_window', '0', 'null for none');
      const window = windowed ? (raw.sliding_window ?? undefined) : undefined;
      const kind = window === undefined ? 'full_attention' : 'sliding_attention';
      const other = raw.layer_types?.find((type) => type !== kind);
      if (other !== undefined) unsupported(path, 'layer_types', other, `${kind} in every layer`);
      const rope = ropeOf(raw, path, defaultTheta);
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
        gainOffset,
        normEpsilon: raw.rms_norm_eps ?? 1e-6,
        positions: {
          kind: 'rotary',
          frequencies: ropeFrequencies(headDim, rope, path),
          max: raw.max_position_embeddings,
        },
        embeddingScale: embeddingScale(raw),
        activation: activation.is,
        qkvBias,
        outputBias,
        mlpBias: raw.mlp_bias,
        qkNorm,
        ...(mixture ? { mixture: readMixture(json, raw.num_hidden_layers, mixture, path) } : {}),
        tiedHead: raw.tie_word_embeddings ?? false,
        ...(window === undefined ? {} : { window }),
        initialStd: raw.initializer_range,
        weightOrder: 'out,in',
        ...notes,
        source: json,
      };
    },
  };
}

/** `rope_parameters`, or `rope_scaling` with `rope_theta` beside it; what is said twice must be said alike. */
function ropeOf(raw: LlamaLike, path: string, defaultTheta: number): RopeParameters {
  const { rope_parameters: parameters, rope_scaling: scaling, rope_theta: base } = raw;
  const twice = (what: string) =>
    fail('CONFIG_INVALID', { path, problem: `rope_parameters and ${what} differ`, fix: 'keep one of them' });
  if (parameters && scaling && JSON.stringify(parameters) !== JSON.stringify(scaling)) twice('rope_scaling');
  const rope = parameters ?? scaling ?? {};
  if (base && rope.rope_theta && base !== rope.rope_theta) twice('rope_theta');
  return { ...rope, rope_theta: rope.rope_theta ?? base ?? defaultTheta };
}
