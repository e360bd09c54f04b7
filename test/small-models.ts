// Models of every family in small sizes, as their config.json.

export const familyNames = [
  'gpt2',
  'gemma',
  'llama',
  'mistral',
  'mixtral',
  'qwen2',
  'qwen2_moe',
  'qwen3',
  'qwen3_moe',
] as const;
export type FamilyName = (typeof familyNames)[number];

/** Families with experts. */
export const mixtures: readonly FamilyName[] = ['mixtral', 'qwen2_moe', 'qwen3_moe'];
export const hasHeadNorms = (family: FamilyName) => family === 'qwen3' || family === 'qwen3_moe';

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
    head_dim: model.headDim,
    intermediate_size: model.mlp,
    max_position_embeddings: 64,
    tie_word_embeddings: model.tied,
    ...(['gemma', 'llama', 'qwen3', 'qwen3_moe'].includes(model.family) ? { attention_bias: model.biases } : {}),
    ...(model.family === 'llama' ? { mlp_bias: model.biases } : {}),
    ...(['mistral', 'mixtral'].includes(model.family) ? { sliding_window: model.window } : {}),
    ...(mixtures.includes(model.family) ? mixtureJson(model.family, model.mixture!) : {}),
  };
}

function mixtureJson(family: FamilyName, mixture: SmallMixture): Record<string, unknown> {
  const { experts, perToken, width, sharedWidth, normalised, dense, bias, sigmoid } = mixture;
  const sizes = {
    num_experts: experts,
    num_experts_per_tok: perToken,
    ...(bias ? { router_bias: true } : {}),
    ...(sigmoid ? { scoring_func: 'sigmoid' } : {}),
  };
  if (family === 'mixtral') return sizes;
  return {
    ...sizes,
    moe_intermediate_size: width,
    norm_topk_prob: normalised,
    mlp_only_layers: dense,
    ...(family === 'qwen2_moe' ? { shared_expert_intermediate_size: sharedWidth } : {}),
  };
}
