// The keys of a config.json that describe a mixture of experts.
import { z } from 'zod';
import { fail } from '../errors.ts';
import { type Mixture, routerBiasKey } from './config.ts';
import { checked, type MixtureNames, size } from './family.ts';

/** Of families that have experts: where their weights are, the keys that are read, and what is read of them. */
export interface MixtureReader {
  readonly names: MixtureNames;
  /** @internal */
  readonly shape: z.ZodRawShape;
  /** CONFIG_INVALID for what does not fit together. */
  readonly read: (json: unknown, layers: number, path: string) => Mixture;
}

const mixtureKeys = z.looseObject({
  num_experts: size.experts.nullish(),
  /** The same by another name. */
  num_local_experts: size.experts.nullish(),
  num_experts_per_tok: size.experts.nullish(),
  intermediate_size: size.mlp,
  moe_intermediate_size: size.mlp.nullish(),
  shared_expert_intermediate_size: size.mlp.nullish(),
  norm_topk_prob: z.boolean().nullish(),
  /** What becomes of a token's logits, as configs of DeepSeek-V3 say it. */
  scoring_func: z.enum(['softmax', 'sigmoid']).nullish(),
  /** Every so many layers the last has a mixture. */
  decoder_sparse_step: size.layers.nullish(),
  mlp_only_layers: z.array(z.number().int().nonnegative()).nullish(),
  [routerBiasKey]: z.boolean().nullish(),
});

/** Which of them a family has, and what transformers takes for those that are missing. */
export interface MixtureVariant {
  readonly names: MixtureNames;
  readonly defaults: {
    readonly num_experts: number;
    readonly num_experts_per_tok: number;
    readonly moe_intermediate_size?: number;
    readonly shared_expert_intermediate_size?: number;
    readonly norm_topk_prob: boolean;
  };
  /** Where its experts are as wide as an MLP, and no layer has one. */
  readonly isEverywhere?: boolean;
  readonly biases?: true;
}

export const mixtureReader = (variant: MixtureVariant): MixtureReader => ({
  names: variant.names,
  shape: shapeOf(variant),
  read: (json, layers, path) => readMixture(json, layers, variant, path),
});

/** Those of {@link mixtureKeys} that the family reads. */
function shapeOf({ isEverywhere, defaults }: MixtureVariant): z.ZodRawShape {
  const { shape } = mixtureKeys;
  const { num_experts, num_local_experts, num_experts_per_tok, scoring_func } = shape;
  const { moe_intermediate_size, norm_topk_prob, decoder_sparse_step, mlp_only_layers } = shape;
  const { shared_expert_intermediate_size } = shape;
  return {
    [routerBiasKey]: shape[routerBiasKey],
    ...{ num_experts, num_local_experts, num_experts_per_tok, scoring_func },
    ...(isEverywhere ? {} : { moe_intermediate_size, norm_topk_prob, decoder_sparse_step, mlp_only_layers }),
    ...(defaults.shared_expert_intermediate_size === undefined ? {} : { shared_expert_intermediate_size }),
  };
}

export function expectChoice(perToken: number, experts: number, path: string): void {
  if (perToken > experts)
    fail('CONFIG_INVALID', {
      path,
      problem: `num_experts_per_tok ${perToken} is more than the ${experts} experts`,
      fix: `use ${experts} or less`,
    });
}

function readMixture(json: unknown, layers: number, variant: MixtureVariant, path: string): Mixture {
  const raw = checked(mixtureKeys, json, path);
  const { defaults, isEverywhere = false, biases } = variant;
  const { num_experts: named = raw.num_local_experts, num_local_experts: local = named } = raw;
  if (named !== local)
    fail('CONFIG_INVALID', {
      path,
      problem: `num_experts ${named} and num_local_experts ${local} differ`,
      fix: 'keep one of them',
    });
  const experts = named ?? defaults.num_experts;
  const perToken = raw.num_experts_per_tok ?? defaults.num_experts_per_tok;
  expectChoice(perToken, experts, path);
  const shared = raw.shared_expert_intermediate_size ?? defaults.shared_expert_intermediate_size;
  const step = raw.decoder_sparse_step ?? 1;
  const isDense = (layer: number) => (raw.mlp_only_layers ?? []).includes(layer) || (layer + 1) % step !== 0;
  return {
    experts,
    perToken,
    scores: raw.scoring_func ?? 'softmax',
    normalised: isEverywhere ? defaults.norm_topk_prob : (raw.norm_topk_prob ?? defaults.norm_topk_prob),
    intermediateSize: isEverywhere
      ? raw.intermediate_size
      : (raw.moe_intermediate_size ?? defaults.moe_intermediate_size!),
    ...(shared === undefined || isEverywhere ? {} : { sharedIntermediateSize: shared }),
    ...(raw[routerBiasKey] ? { chosenByBias: true } : {}),
    ...(biases ? { biases } : {}),
    denseLayers: isEverywhere ? [] : Array.from({ length: layers }, (_, layer) => layer).filter(isDense),
  };
}
