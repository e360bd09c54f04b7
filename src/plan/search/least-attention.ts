// Seconds of the attention that a layer needs of a microbatch, from what one traced layer does of one sequence: heads are cut over tp (and by ulysses),
// queries over cp.
import { valueDimOf, windowOf } from '../../model/config.ts';
import type { KernelShape } from '../../program/kernel-shape.ts';
import { rateOf } from '../hardware/number-format.ts';
import type { TrainingCosts } from '../training/costs.ts';
import type { Kind, SearchTask } from './task.ts';

export type Attention = Extract<KernelShape, { readonly kind: 'attention' }>;

/** Seconds of one microbatch. */
export interface AttentionSeconds {
  readonly forward: number;
  readonly backward: number;
}

/** `whole`: of one sequence and all heads; undefined: nothing is known of it but the scores that its mask leaves. */
export function leastAttention(
  task: SearchTask,
  kind: Kind,
  layer: number,
  whole: Attention | undefined,
  { kernel }: TrainingCosts,
): AttentionSeconds {
  const { config, seqLen } = task;
  const { tp, cp, cpMode, microBatch } = kind;
  const isWhole = cp === 1 || cpMode === 'ulysses';
  const window = Math.min(windowOf(config, layer) ?? seqLen, seqLen);
  if (!whole || (!isWhole && (config.latent || window < seqLen))) return atPeak(task, kind, window);
  const shares = isWhole ? cp : 1;
  const own: Attention = {
    ...whole,
    batch: microBatch,
    heads: config.heads / tp / shares,
    kvHeads: Math.max(1, (config.latent ? whole.kvHeads : config.kvHeads) / tp / shares),
  };
  const both = (attention: Attention): AttentionSeconds => ({
    forward: kernel({ ...attention, pass: 'forward' }),
    backward: kernel({ ...attention, pass: 'backward' }),
  });
  if (isWhole) return both(own);
  const queries = seqLen / cp;
  if (cpMode === 'gather') return both({ ...own, queries, scores: whole.scores / cp });
  // A ring's rank looks at a block of its own tokens, and sees half of each of the others.
  const scores = (queries * queries) / 2;
  const first = both({ ...own, queries, keys: queries, scores: whole.scores / cp - (cp - 1) * scores });
  const each = both({ ...own, queries, keys: queries, scores });
  return {
    forward: first.forward + (cp - 1) * each.forward,
    backward: first.backward + (cp - 1) * each.backward,
  };
}

/** Products of the scores that the mask leaves, at the peak of the products' format. */
function atPeak(task: SearchTask, { tp, cp, cpMode, microBatch }: Kind, window: number): AttentionSeconds {
  const { config, seqLen, cluster, formats } = task;
  const peak = cluster.device.flopsPerSecond[rateOf[formats.products]] ?? Number.POSITIVE_INFINITY;
  const perScore = (2 * (config.headDim + valueDimOf(config)) * config.heads) / tp;
  // Of a rank that holds the first tokens, which see fewest, and the last ones.
  const piece = seqLen / cp / 2;
  const scores =
    cp === 1 || cpMode === 'ulysses'
      ? seen(seqLen, window) / cp
      : seen(piece, window) + piece * Math.min(window, seqLen - piece);
  const forward = (perScore * microBatch * scores) / peak;
  return { forward, backward: 2.5 * forward };
}

/** By the first so many tokens, each of which sees so many at most. */
const seen = (tokens: number, window: number): number => {
  const most = Math.min(tokens, window);
  return most * tokens - (most * (most - 1)) / 2;
};
