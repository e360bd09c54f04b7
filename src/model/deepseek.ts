// The families of DeepSeek-V2 and -V3: latent attention, and many narrow experts beside some that every token has.
import { z } from 'zod';
import { fail } from '../errors.ts';
import type { Groups } from '../ops/route.ts';
import { type Mixture, routerBiasKey } from './config.ts';
import { checked, type Family, type MixtureNames, silent, size, type TensorNames, unsupported } from './family.ts';
import { llamaFamily, llamaNames } from './llama-like.ts';
import { expectChoice, type MixtureReader } from './mixture-keys.ts';

const { k: _k, v: _v, ...others } = llamaNames;

const names: TensorNames = {
  ...others,
  latent: {
    qDown: 'model.layers.{}.self_attn.q_a_proj',
    qNorm: 'model.layers.{}.self_attn.q_a_layernorm',
    qUp: 'model.layers.{}.self_attn.q_b_proj',
    kvDown: 'model.layers.{}.self_attn.kv_a_proj_with_mqa',
    kvNorm: 'model.layers.{}.self_attn.kv_a_layernorm',
    kvUp: 'model.layers.{}.self_attn.kv_b_proj',
  },
};

const mixtureNames: MixtureNames = {
  router: 'model.layers.{}.mlp.gate',
  gate: 'model.layers.{}.mlp.experts.{}.gate_proj',
  up: 'model.layers.{}.mlp.experts.{}.up_proj',
  down: 'model.layers.{}.mlp.experts.{}.down_proj',
  shared: {
    gate: 'model.layers.{}.mlp.shared_experts.gate_proj',
    up: 'model.layers.{}.mlp.shared_experts.up_proj',
    down: 'model.layers.{}.mlp.shared_experts.down_proj',
  },
};

const mixtureKeys = {
  n_routed_experts: size.experts,
  n_shared_experts: size.experts.nullish(),
  num_experts_per_tok: size.experts,
  moe_intermediate_size: size.mlp,
  /** Layers before the first with experts. */
  first_k_dense_replace: size.layers.or(z.literal(0)).nullish(),
  norm_topk_prob: z.boolean().nullish(),
  routed_scaling_factor: z.number().positive().nullish(),
  n_group: size.experts.nullish(),
  topk_group: size.experts.nullish(),
  topk_method: z.string().nullish(),
  scoring_func: z.enum(['softmax', 'sigmoid']).nullish(),
  [routerBiasKey]: z.boolean().nullish(),
};

type MixtureKeys = z.infer<z.ZodObject<typeof mixtureKeys>>;

/** How a token's experts are chosen and weighed. */
type Choice = (
  raw: MixtureKeys,
  path: string,
) => Pick<Mixture, 'scores' | 'normalised' | 'groups' | 'chosenByBias'> & { readonly weightScale: number };

const mixtureBy = (choice: Choice): MixtureReader => ({
  names: mixtureNames,
  shape: mixtureKeys,
  read(json, layers, path) {
    const raw = checked(z.looseObject(mixtureKeys), json, path);
    const { n_routed_experts: experts, n_shared_experts: shared, num_experts_per_tok: perToken } = raw;
    expectChoice(perToken, experts, path);
    const { weightScale, ...chosen } = choice(raw, path);
    const dense = Math.min(layers, raw.first_k_dense_replace ?? 0);
    return {
      experts,
      perToken,
      ...chosen,
      ...(raw[routerBiasKey] ? { chosenByBias: true } : {}),
      intermediateSize: raw.moe_intermediate_size,
      ...(shared
        ? { sharedIntermediateSize: shared * raw.moe_intermediate_size, sharedCountsInFull: true as const }
        : {}),
      ...(weightScale === 1 ? {} : { weightScale }),
      denseLayers: Array.from({ length: dense }, (_, layer) => layer),
    };
  },
});

/** CONFIG_INVALID for groups that do not divide the experts, or hold fewer than a token has. */
function groupsOf(raw: MixtureKeys, by: Groups['by'], path: string): { readonly groups?: Groups } {
  const { n_group: count, topk_group: kept, n_routed_experts: experts, num_experts_per_tok: perToken } = raw;
  if (!count || !kept || kept === count) return {};
  const refuse = (problem: string) => fail('CONFIG_INVALID', { path, problem, fix: 'use those of the model' });
  if (experts % count !== 0) refuse(`n_group ${count} does not divide the ${experts} experts`);
  if (kept > count) refuse(`topk_group ${kept} is more than the ${count} groups`);
  if ((kept * experts) / count < perToken)
    refuse(`topk_group ${kept} leaves fewer experts than num_experts_per_tok ${perToken}`);
  return { groups: { count, kept, by } };
}

const common = {
  names,
  switches: () => ({ qkvBias: false, outputBias: false, qkNorm: false }),
  windowed: false,
  latent: true,
  // Code that comes with a checkpoint, predictions of later tokens, and how it was trained: no number of the model.
  adapts: silent('auto_map', 'num_nextn_predict_layers', 'num_mtp_layers', 'ep_size', 'aux_loss_alpha', 'seq_aux'),
} as const;

const fixed = { attention_bias: [false], mlp_bias: [false], moe_layer_freq: [1], output_router_logits: [false] };

export const deepseekV2: Family = llamaFamily({
  ...common,
  mixture: mixtureBy((raw, path) => {
    const method = raw.topk_method ?? 'greedy';
    if (!['greedy', 'group_limited_greedy'].includes(method)) unsupported(path, 'topk_method', method, 'greedy');
    return {
      scores: 'softmax',
      normalised: false,
      weightScale: raw.routed_scaling_factor ?? 1,
      ...(method === 'greedy' ? {} : groupsOf(raw, 'best', path)),
    };
  }),
  fixed: { ...fixed, norm_topk_prob: [false], scoring_func: ['softmax'], rope_interleave: [true] },
  defaults: { max_position_embeddings: 2048 },
});

const v3 = {
  ...common,
  mixture: mixtureBy((raw, path) => ({
    scores: 'sigmoid',
    normalised: raw.norm_topk_prob ?? true,
    weightScale: raw.routed_scaling_factor ?? 2.5,
    chosenByBias: true,
    ...groupsOf(raw, 'best two', path),
  })),
  fixed: { ...fixed, scoring_func: ['sigmoid'], topk_method: ['noaux_tc'], rope_interleave: [true] },
  defaults: { max_position_embeddings: 4096 },
} as const;

export const deepseekV3: Family = llamaFamily(v3);

/** As GLM-5 has it: of a long context, an indexer chooses the tokens that attention looks at. */
export const glmMoeDsa: Family = llamaFamily({
  ...v3,
  adapts: { ...common.adapts, ...silent('index_head_dim', 'index_n_heads', 'index_topk', 'indexer_rope_interleave') },
  planOnly: 'its attention looks at tokens that an indexer chooses',
});
