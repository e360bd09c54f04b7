// The two ends of the model on one rank: the embedding, and the head with its loss or its logits.
import type { Layout } from '../mesh/layout.ts';
import { allGather, allReduce, allReduceMax, ownSlice } from '../ops/collectives.ts';
import { add, scale } from '../ops/elementwise.ts';
import { embedding } from '../ops/embedding.ts';
import { linear } from '../ops/linear.ts';
import { tokenLoss, vocabMax, vocabStats } from '../ops/loss.ts';
import { firstRows } from '../ops/rows.ts';
import type { Value } from '../program/program.ts';
import { norm, type Params } from './block.ts';
import type { ModelConfig } from './config.ts';
import { enterParallel, leaveParallel } from './parallel.ts';

/** ids [b, s] -> x [b, s, hidden] (under sp [b, s / tp, hidden]); the table's rows are sharded over tp. */
export function embed(ids: Value, params: Params, { embeddingScale }: ModelConfig, layout: Layout): Value {
  const table = params['table.weight']!;
  const rowsOf = leaveParallel(embedding(ids, table, table.trace.coords.tp * table.shape[0]!), layout);
  const x = embeddingScale === 1 ? rowsOf : scale(rowsOf, embeddingScale);
  const positions = params['positions.weight'];
  if (!positions) return x;
  const rows = firstRows(positions, ids.shape[1]!);
  return add(x, layout.sp ? ownSlice(rows, 'tp', 0) : rows);
}

/** x -> logits of this rank's share of the vocabulary [b, s, vocabulary / tp]. */
function shareOfLogits(x: Value, params: Params, config: ModelConfig, layout: Layout): Value {
  return linear(enterParallel(norm(x, 'norm', params, config), layout), params['head.weight']!);
}

/** x and targets [b, s] -> the sum of the tokens' losses times `lossScale` [1]. */
export function loss(
  x: Value,
  targets: Value,
  params: Params,
  config: ModelConfig,
  layout: Layout,
  lossScale: number,
): Value {
  const logits = shareOfLogits(x, params, config, layout);
  const share = logits.shape[2]!;
  const offset = x.trace.coords.tp * share;
  const valid = Math.max(0, Math.min(share, config.vocabSize - offset));
  const most = allReduceMax(vocabMax(logits, { valid }), 'tp');
  const stats = allReduce(vocabStats(logits, targets, most, { offset, valid }), 'tp', 'I');
  return tokenLoss(stats, lossScale);
}

/** x -> the logits of the whole (padded) vocabulary, on every tp rank [b, s, vocabulary]. */
export function wholeLogits(x: Value, params: Params, config: ModelConfig, layout: Layout): Value {
  return allGather(shareOfLogits(x, params, config, layout), 'tp', 2, 'I');
}
