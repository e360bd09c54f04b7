// Models of every family in small sizes, as their config.json.

export const familyNames = [
  'gpt2',
  'deepseek_v2',
  'deepseek_v3',
  'gemma',
  'gemma3_text',
  'llama',
  'mistral',
  'mixtral',
  'nemotron',
  'qwen2',
  'qwen2_moe',
  'qwen3',
  'qwen3_moe',
] as const;
export type FamilyName = (typeof familyNames)[number];

/** Families with experts. */
export const mixtures: readonly FamilyName[] = ['deepseek_v2', 'deepseek_v3', 'mixtral', 'qwen2_moe', 'qwen3_moe'];
const latents: readonly FamilyName[] = ['deepseek_v2', 'deepseek_v3'];
export const hasHeadNorms = (family: FamilyName) => ['gemma3_text', 'qwen3', 'qwen3_moe'].includes(family);
/** Whose keys and values are of as many heads as queries. */
export const hasOwnKeys = (family: FamilyName) => family === 'gpt2' || latents.includes(family);

/** What differs between small mixtures of experts; of mixtral the first two. */
export interface SmallMixture {
  readonly experts: number;
  readonly perToken: number;
  readonly width: number;
  /** Of the expert that all tokens have, where the family has one. */
  readonly sharedWidth: number;
  readonly normalised: boolean;
  /** Scores are sigmoids of the logits, each by itself; undefined: their softmax. */
  readonly sigmoid?: boolean;
  /** Layers that have an MLP. */
  readonly dense: readonly number[];
  /** Biases by which experts are chosen. */
  readonly bias?: true;
}

/** What differs between small models. */
export interface SmallModel {
  readonly family: FamilyName;
  readonly heads: number;
  readonly kvHeads: number;
  /** Even. */
  readonly headDim: number;
  readonly hidden: number;
  readonly mlp: number;
  readonly vocab: number;
  readonly layers: number;
  readonly tied: boolean;
  /** Where the family leaves it open. */
  readonly biases: boolean;
  readonly window: number;
  /** Where the family has experts. */
  readonly mixture?: SmallMixture;
}

/** Its config.json. GPT-2 has as many key-value heads as heads and a hidden size of all of them. */
export function configJson(model: SmallModel): Record<string, unknown> {
  if (model.family === 'gpt2')
    return {
      model_type: 'gpt2',
      vocab_size: model.vocab,
      n_embd: model.heads * model.headDim,
      n_layer: model.layers,
      n_head: model.heads,
      n_positions: 32,
      n_inner: model.mlp,
      tie_word_embeddings: model.tied,
    };
  return {
    model_type: model.family,
    vocab_size: model.vocab,
    hidden_size: model.hidden,
    num_hidden_layers: model.layers,
    num_attention_heads: model.heads,
    num_key_value_heads: model.kvHeads,
    ...(latents.includes(model.family) ? latentJson(model) : { head_dim: model.headDim }),
    intermediate_size: model.mlp,
    max_position_embeddings: 64,
    tie_word_embeddings: model.tied,
    ...(withBiases.includes(model.family) ? { attention_bias: model.biases } : {}),
    ...(['llama', 'nemotron'].includes(model.family) ? { mlp_bias: model.biases } : {}),
    ...(['mistral', 'mixtral'].includes(model.family) ? { sliding_window: model.window } : {}),
    ...(model.family === 'gemma3_text' ? { sliding_window: model.window, sliding_window_pattern: 2 } : {}),
    // Of two features one pair can be turned, not half of one.
    ...(model.family === 'nemotron' ? { partial_rotary_factor: 2 / model.headDim } : {}),
    ...(mixtures.includes(model.family) ? mixtureJson(model.family, model.mixture!) : {}),
  };
}

const withBiases: readonly FamilyName[] = ['gemma', 'gemma3_text', 'llama', 'nemotron', 'qwen3', 'qwen3_moe'];

/** Narrow vectors and parts of heads of sizes that differ from each other; queries of some models are made of the layer's input. */
const latentJson = ({ headDim, hidden, biases }: SmallModel): Record<string, unknown> => ({
  q_lora_rank: biases ? hidden - 2 : null,
  kv_lora_rank: hidden - 3,
  qk_nope_head_dim: headDim + 1,
  qk_rope_head_dim: headDim,
  v_head_dim: headDim + 2,
});

function mixtureJson(family: FamilyName, mixture: SmallMixture): Record<string, unknown> {
  const { experts, perToken, width, sharedWidth, normalised, dense, bias, sigmoid } = mixture;
  const sizes = {
    num_experts: experts,
    num_experts_per_tok: perToken,
    ...(bias ? { router_bias: true } : {}),
    ...(sigmoid ? { scoring_func: 'sigmoid' } : {}),
  };
  if (family === 'mixtral') return sizes;
  if (family === 'deepseek_v2' || family === 'deepseek_v3') return deepseekJson(family, mixture);
  return {
    ...sizes,
    moe_intermediate_size: width,
    norm_topk_prob: normalised,
    mlp_only_layers: dense,
    ...(family === 'qwen2_moe' ? { shared_expert_intermediate_size: sharedWidth } : {}),
  };
}

/** Its experts are in groups where their number and how many a token has allow it, and layers before the first without an MLP have one. */
function deepseekJson(family: FamilyName, mixture: SmallMixture): Record<string, unknown> {
  const { experts, perToken, width, sharedWidth, normalised, dense } = mixture;
  const grouped = experts % 2 === 0 && perToken <= experts / 2;
  const [first] = [0, 1, 2, 3].filter((layer) => !dense.includes(layer));
  return {
    n_routed_experts: experts,
    num_experts_per_tok: perToken,
    moe_intermediate_size: width,
    n_shared_experts: sharedWidth,
    first_k_dense_replace: first ?? 0,
    routed_scaling_factor: 1.5,
    ...(grouped ? { n_group: 2, topk_group: 1 } : {}),
    ...(family === 'deepseek_v3' ? { norm_topk_prob: normalised } : {}),
    ...(family === 'deepseek_v2' && grouped ? { topk_method: 'group_limited_greedy' } : {}),
  };
}
