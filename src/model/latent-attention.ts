// Latent attention: queries, keys and values of all heads are made of vectors much narrower than the residual (see `Latent`).
//
//   h ─► qDown ─► norm ─┬─► q of own heads ──────────────── [ plain | rotated ] ─┐
//   h ─► kvDown ─┬► norm ┼─► keys and values of own heads ── [ plain | ....... ] ─┴─► attention
//                └ one for all heads ─────────────────────── [ ..... | rotated ] ─┘
//                    narrow side │ tensor-parallel region
//
// What is narrow is made on the residual's side, by every tp rank alike or, under sp, of its own tokens: it is what crosses into
// the region, in place of the residual.
import { joinFeatures, joinShared, splitFeatures } from '../ops/features.ts';
import { mergeHeads, splitHeads } from '../ops/heads.ts';
import { linear } from '../ops/linear.ts';
import type { Value } from '../program/program.ts';
import { norm } from './norm.ts';
import { enterParallel } from './parallel.ts';
import type { Params } from './params.ts';
import { type AttentionContext, attend, rotated } from './self-attention.ts';

/** h [b, s, hidden], under sp [b, s / tp, hidden] -> this tp rank's heads of all tokens of its cp rank [b, s, heads / tp · valueDim]. */
export function latentAttention(h: Value, params: Params, context: AttentionContext): Value {
  const { config, layout } = context;
  const { queryRank, keyValueRank, plainDim, rotatedDim, valueDim } = config.latent!;
  const enter = (x: Value) => enterParallel(x, layout);
  const product = (x: Value, key: string) => linear(x, params[`${key}.weight`]!, config.weightOrder);
  const ofQueries = queryRank === undefined ? h : norm(product(h, 'qDown'), 'qDownNorm', params, config);
  const [plain, turned] = splitFeatures(splitHeads(product(enter(ofQueries), 'q'), config.headDim), plainDim);
  const [narrow, shared] = splitFeatures(splitHeads(product(h, 'kvDown'), keyValueRank + rotatedDim), keyValueRank);
  const ofKeys = enter(norm(mergeHeads(narrow), 'kvDownNorm', params, config));
  const [keys, values] = splitFeatures(splitHeads(product(ofKeys, 'kv'), plainDim + valueDim), plainDim);
  const q = joinFeatures(plain, rotated(turned, context));
  const k = joinShared(keys, rotated(enter(shared), context));
  return attend(q, k, values, context);
}
