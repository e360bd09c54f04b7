// The keys of a config.json that describe latent attention.
import { z } from 'zod';
import type { Latent } from './config.ts';
import { checked, size, unsupported } from './family.ts';

/** @internal */
export const latentKeys = {
  /** null: queries are made of the layer's input. */
  q_lora_rank: size.hidden.nullish(),
  kv_lora_rank: size.hidden,
  qk_nope_head_dim: size.headDim,
  qk_rope_head_dim: size.headDim,
  v_head_dim: size.headDim,
  // What transformers makes of those.
  qk_head_dim: size.headDim.nullish(),
};

export function readLatent(json: unknown, path: string): Latent {
  const raw = checked(z.looseObject(latentKeys), json, path);
  if (raw.qk_rope_head_dim % 2 !== 0)
    unsupported(path, 'qk_rope_head_dim', `${raw.qk_rope_head_dim}`, 'an even number');
  return {
    ...(raw.q_lora_rank ? { queryRank: raw.q_lora_rank } : {}),
    keyValueRank: raw.kv_lora_rank,
    plainDim: raw.qk_nope_head_dim,
    rotatedDim: raw.qk_rope_head_dim,
    valueDim: raw.v_head_dim,
  };
}
