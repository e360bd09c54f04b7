// The two ends of the model on one rank: the embedding, and the head with its loss or its logits.
import type { Layout } from '../mesh/layout.ts';
import { allGather, allReduce, allReduceMax, ownSlice } from '../ops/collectives.ts';
import { add, scale as multiplyBy } from '../ops/elementwise.ts';
import { embedding } from '../ops/embedding.ts';
import { linear } from '../ops/linear.ts';
import { tokenLogProb } from '../ops/log-prob.ts';
import { tokenLoss, vocabMax, vocabStats } from '../ops/loss.ts';
import type { Value } from '../program/program.ts';
import type { ModelConfig } from './config.ts';
import { norm } from './norm.ts';
import { leaveParallel } from './parallel.ts';
import type { Params } from './params.ts';

/**
 * ids and positions [b, s] -> x [b, s, hidden] (under sp [b, s / tp, hidden]); the table's rows are sharded over tp. A model that
 * learns no positions takes none.
 */
export function embed(
  { ids, positions }: { readonly ids: Value; readonly positions?: Value },
  params: Params,
  config: ModelConfig,
  layout: Layout,
): Value {
  const { embeddingScale, embeddingNorm } = config;
  const normed = (x: Value) => (embeddingNorm ? norm(x, 'norm', params, config) : x);
  const table = params['table.weight']!;
  const rowsOf = leaveParallel(embedding(ids, table, table.trace.coords.tp * table.shape[0]!), layout);
  const x = embeddingScale === 1 ? rowsOf : multiplyBy(rowsOf, embeddingScale);
  if (!positions) return normed(x);
  const places = embedding(positions, params['positions.weight']!);
  return normed(add(x, layout.sp ? ownSlice(places, 'tp', 1) : places));
}

/** What the loss of a block of tokens [b, s] is made of besides their features: what each counts, and what the sum is multiplied by. */
export interface LossOperands {
  readonly targets: Value;
  readonly weights: Value;
  readonly scale: Value;
}

/** h [b, s, hidden], normed and entered into the tensor-parallel region -> the scaled, weighted sum of the tokens' losses [1]. */
export const blockLoss = (
  h: Value,
  { targets, weights, scale }: LossOperands,
  params: Params,
  config: ModelConfig,
): Value => tokenLoss(targetStats(h, targets, params, config), weights, scale);

/** h and targets [b, s] -> the log-probability of each target [b, s]. */
export const blockLogProbs = (h: Value, targets: Value, params: Params, config: ModelConfig): Value =>
  tokenLogProb(targetStats(h, targets, params, config));

/** Of the logits over the whole vocabulary: see vocabStats. */
function targetStats(h: Value, targets: Value, params: Params, { vocabSize }: ModelConfig): Value {
  const logits = linear(h, params['head.weight']!);
  const share = logits.shape[2]!;
  const offset = h.trace.coords.tp * share;
  const valid = Math.max(0, Math.min(share, vocabSize - offset));
  const most = allReduceMax(vocabMax(logits, { valid }), 'tp');
  return allReduce(vocabStats(logits, targets, most, { offset, valid }), 'tp', 'I');
}

/** h -> the logits of the whole (padded) vocabulary, on every tp rank [b, s, vocabulary]. */
export const wholeLogits = (h: Value, params: Params): Value =>
  allGather(linear(h, params['head.weight']!), 'tp', 2, 'I');
