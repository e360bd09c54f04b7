// Families built like Llama: rotary positions, a norm before each part, a gated MLP; they differ in names, biases, norms and windows.
import { z } from 'zod';
import { fail } from '../errors.ts';
import type { Latent, ModelConfig } from './config.ts';
import { checked, deviation, epsilon, type Family, size, type TensorNames, unsupported } from './family.ts';
import { type FixedKeys, judgeKeys } from './keys.ts';
import { latentKeys, readLatent } from './latent-keys.ts';
import type { MixtureReader } from './mixture-keys.ts';
import { type RopeParameters, readRope, ropeSchema, scoreSharpening, theta } from './rope.ts';
import { readWindows } from './window-keys.ts';

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

/** Keys that some families read besides. */
const moreKeys = {
  /** `rms_norm_eps` of a LayerNorm. */
  norm_eps: epsilon.nullish(),
  /** The share of a head's features that is rotated. */
  partial_rotary_factor: z.number().positive().max(1).nullish(),
  /** Of so many layers the last has no window. */
  sliding_window_pattern: size.layers.nullish(),
  /** `rope_theta` of layers with a window. */
  rope_local_base_freq: theta,
  /** Scores are divided by its root. */
  query_pre_attn_scalar: z.number().positive().nullish(),
};

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
export type LlamaLike = z.infer<typeof llamaLike> & Partial<z.infer<z.ZodObject<typeof moreKeys>>>;

type Switches = Pick<ModelConfig, 'qkvBias' | 'outputBias' | 'qkNorm'>;

export interface LlamaVariant {
  readonly names?: TensorNames;
  readonly switches: (raw: LlamaLike) => Switches;
  /** How the MLP is activated, and what its config.json calls that. */
  readonly activation?: { readonly is: ModelConfig['activation']; readonly names: readonly string[] };
  readonly norm?: ModelConfig['norm'];
  readonly gainOffset?: ModelConfig['gainOffset'];
  readonly postNorms?: true;
  readonly sinks?: true;
  readonly embeddingScale?: (raw: LlamaLike) => number;
  /** Whether attention has the window that `sliding_window` names. */
  readonly windowed: boolean;
  /** Of families whose layers differ: of so many the last has no window, where no key says. */
  readonly wholeEvery?: number;
  /** Queries, keys and values are made of narrow vectors. */
  readonly latent?: true;
  /** Of {@link moreKeys} those that it reads. */
  readonly reads?: readonly (keyof typeof moreKeys)[];
  /** A config.json in the words of the others; `adapts`: the keys that it reads for that. */
  readonly adapt?: (json: Readonly<Record<string, unknown>>, path: string) => Readonly<Record<string, unknown>>;
  readonly adapts?: z.ZodRawShape;
  /** Keys that transformers' code of this family ignores or cannot do without. */
  readonly fixed: FixedKeys;
  /** What transformers takes for keys that are missing. */
  readonly defaults: Partial<LlamaLike> & { readonly max_position_embeddings: number };
  readonly defaultTheta?: number;
  /** Of families that have experts. */
  readonly mixture?: MixtureReader;
  /** See ModelConfig. */
  readonly planOnly?: string;
}

const silu = { is: 'swiglu', names: ['silu'] } as const;

export function llamaFamily(variant: LlamaVariant): Family {
  const { names = llamaNames, switches, fixed, defaults, reads = [], latent, adapt = (json) => json } = variant;
  const { activation = silu, gainOffset = 0, norm = 'rms', embeddingScale = () => 1, mixture } = variant;
  const own = llamaLike.extend(Object.fromEntries(reads.map((key) => [key, moreKeys[key]])));
  const schema = own.extend({ ...mixture?.shape, ...(latent ? latentKeys : {}), ...variant.adapts });
  return {
    names: mixture ? { ...names, mixture: mixture.names } : names,
    schema,
    parse(given, path) {
      const { planOnly: lack, ...notes } = judgeKeys(given, { read: Object.keys(schema.shape), fixed, path });
      const json = adapt(given, path);
      const raw: LlamaLike = { ...defaults, ...(checked(own, json, path) as LlamaLike) };
      const { qkvBias, outputBias, qkNorm } = switches(raw);
      const act = raw.hidden_act ?? activation.names[0]!;
      if (!activation.names.includes(act)) unsupported(path, 'hidden_act', act, activation.names[0]!);
      const parts = latent ? readLatent(json, path) : undefined;
      const headDim = parts ? headDimOfParts(raw, parts, path) : headDimOf(raw, path);
      const kvHeads = parts ? raw.num_attention_heads : (raw.num_key_value_heads ?? raw.num_attention_heads);
      if (raw.num_attention_heads % kvHeads !== 0)
        fail('CONFIG_INVALID', {
          path,
          problem: `num_attention_heads ${raw.num_attention_heads} is not a multiple of num_key_value_heads ${kvHeads}`,
          fix: `use a multiple of ${kvHeads}`,
        });
      const { attentionScale, ...positions } = readPositions(raw, { headDim, parts, variant, path });
      const planOnly = variant.planOnly ?? lack;
      return {
        family: raw.model_type,
        vocabSize: raw.vocab_size,
        hiddenSize: raw.hidden_size,
        layers: raw.num_hidden_layers,
        heads: raw.num_attention_heads,
        kvHeads,
        headDim,
        intermediateSize: raw.intermediate_size,
        norm,
        gainOffset,
        normEpsilon: raw.norm_eps ?? raw.rms_norm_eps ?? 1e-6,
        ...(variant.postNorms ? { postNorms: true } : {}),
        positions: { kind: 'rotary', ...positions, max: raw.max_position_embeddings! },
        attentionScale,
        ...(parts ? { latent: parts } : {}),
        embeddingScale: embeddingScale(raw),
        activation: activation.is,
        qkvBias,
        outputBias,
        mlpBias: raw.mlp_bias,
        qkNorm,
        ...(variant.sinks ? { sinks: true } : {}),
        ...(mixture ? { mixture: mixture.read(json, raw.num_hidden_layers, path) } : {}),
        tiedHead: raw.tie_word_embeddings ?? false,
        ...readWindows(raw, variant, path),
        initialStd: raw.initializer_range,
        weightOrder: 'out,in',
        ...notes,
        ...(planOnly === undefined ? {} : { planOnly }),
        source: given,
      };
    },
  };
}

/** The features of a head that are rotated, which is what its head_dim says, and those that are not. */
function headDimOfParts(raw: LlamaLike, { plainDim, rotatedDim }: Latent, path: string): number {
  if (raw.head_dim && raw.head_dim !== rotatedDim)
    unsupported(path, 'head_dim', `${raw.head_dim} beside qk_rope_head_dim ${rotatedDim}`, 'qk_rope_head_dim alone');
  return plainDim + rotatedDim;
}

function headDimOf(raw: LlamaLike, path: string): number {
  const headDim = raw.head_dim ?? raw.hidden_size / raw.num_attention_heads;
  if (!Number.isInteger(headDim) || headDim % 2 !== 0)
    fail('CONFIG_INVALID', {
      path,
      problem: `heads of ${headDim} features cannot be rotated in pairs`,
      fix: 'make hidden_size an even multiple of num_attention_heads, or set head_dim',
    });
  return headDim;
}

interface Heads {
  readonly headDim: number;
  readonly parts: Latent | undefined;
  readonly variant: LlamaVariant;
  readonly path: string;
}

/** How a head's features are rotated, and what scores are multiplied by. */
function readPositions(raw: LlamaLike, { headDim, parts, variant, path }: Heads) {
  const { reads = [], defaultTheta = 10000 } = variant;
  const { whole, windowed } = ropeOf(raw, path, defaultTheta);
  const share = whole.partial_rotary_factor ?? raw.partial_rotary_factor ?? 1;
  if (share !== 1 && !reads.includes('partial_rotary_factor'))
    unsupported(path, 'partial_rotary_factor', `${share}`, '1');
  const rotated = parts?.rotatedDim ?? Math.floor(headDim * share);
  if (rotated % 2 !== 0)
    unsupported(path, 'partial_rotary_factor', `${share} of ${headDim} features`, 'an even number');
  const { frequencies, amplitude } = readRope(rotated, whole, path);
  const rope = windowed && readRope(rotated, windowed, path);
  // What is rotated alone would be louder than the rest.
  if ((amplitude !== 1 && rotated !== headDim) || (rope && rope.amplitude !== amplitude))
    unsupported(path, 'rope_type', 'yarn of some features alone', 'equal mscale and mscale_all_dim');
  const root = raw.query_pre_attn_scalar ?? headDim;
  return {
    frequencies,
    ...(rope ? { windowFrequencies: rope.frequencies } : {}),
    ...(parts ? { interleaved: true as const } : {}),
    attentionScale: (parts ? scoreSharpening(whole) : amplitude ** 2) / Math.sqrt(root),
  };
}

const byLayerType = z.object({ full_attention: ropeSchema, sliding_attention: ropeSchema });

/**
 * `rope_parameters`, or `rope_scaling` with `rope_theta` beside it; what is said twice must be said alike. Of layers with a window
 * another one where the config.json has one.
 */
function ropeOf(
  raw: LlamaLike,
  path: string,
  defaultTheta: number,
): { readonly whole: RopeParameters; readonly windowed?: RopeParameters } {
  const { rope_parameters: parameters, rope_scaling: scaling, rope_theta: base, rope_local_base_freq: local } = raw;
  const byType = byLayerType.safeParse(parameters);
  if (byType.success) return { whole: byType.data.full_attention, windowed: byType.data.sliding_attention };
  const twice = (what: string) =>
    fail('CONFIG_INVALID', { path, problem: `rope_parameters and ${what} differ`, fix: 'keep one of them' });
  if (parameters && scaling && JSON.stringify(parameters) !== JSON.stringify(scaling)) twice('rope_scaling');
  const rope = parameters ?? scaling ?? {};
  if (base && rope.rope_theta && base !== rope.rope_theta) twice('rope_theta');
  const whole = { ...rope, rope_theta: rope.rope_theta ?? base ?? defaultTheta };
  return { whole, ...(local ? { windowed: { rope_theta: local } } : {}) };
}
