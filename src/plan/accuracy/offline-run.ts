// Offline runs: all requests are queued at once. What rows of them say, and what those of NVIDIA's tables of trtllm-bench leave unsaid
// (TensorRT-LLM's docs/source/performance/perf-overview.md, "Reproducing Benchmarked Results").
import type { ServingLayout, ServingLoad } from '../serving/scenario.ts';
import { numberIn, type Row } from './table.ts';

export const isOffline = ({ load, batch }: Row): boolean => /max load|offline/i.test(load ?? '') || queued(batch) > 0;

const isBenchmarked = ({ load }: Row): boolean => /trtllm-bench/i.test(load ?? '');

/** `num_prompts=1500`. */
const queued = (batch = ''): number => Number(/\bnum_prompts=(\d+)/.exec(batch)?.[1] ?? 0);

/** Requests that trtllm-bench's tables queue, by the tokens of one at most: the longer, the fewer. */
const benchmarked: readonly { readonly tokens: number; readonly requests: number }[] = [
  { tokens: 256, requests: 30_000 },
  { tokens: 2500, requests: 3000 },
  { tokens: 9216, requests: 1500 },
  { tokens: Number.POSITIVE_INFINITY, requests: 1000 },
];

/** Where it is not known how many there are: as many as are useful. */
export function offlineLoad(row: Row): ServingLoad {
  const requests = queued(row.batch) || (isBenchmarked(row) ? benchmarkedRequests(row) : 0);
  if (requests === 0) return { kind: 'saturated' };
  return { kind: 'recorded', arrivals: Array.from({ length: requests }, () => ({ seconds: 0 })) };
}

function benchmarkedRequests(row: Row): number {
  const tokens = (numberIn(row, 'isl') ?? 0) + (numberIn(row, 'osl') ?? 0);
  return benchmarked.find((each) => tokens <= each.tokens)!.requests;
}

/**
 * Those tables run models with experts with attention data parallelism and whole experts on every rank, and call that TP8 as well as DEP8: so
 * say their options, and the same runs are in one under the one name and in another under the other.
 */
export const benchmarkedLayout = (row: Row, layout: ServingLayout): ServingLayout =>
  isBenchmarked(row) && layout.tp > 1 ? { ...layout, tp: 1, dp: layout.tp, ep: layout.tp } : layout;
