// How unevenly tokens choose their experts, and what the rank that has most of them makes all wait for.

import type { Layout } from '../../mesh/layout.ts';
import type { ModelConfig } from '../../model/config.ts';

/** `even`: every expert has as many tokens, as benchmarks force it. `natural`: as a router in training chooses. */
export type Routing = 'even' | 'natural';

/**
 * Standard deviation of an expert's tokens over their mean. Of Qwen3-235B-A22B on 256 H100 steps with sequences of 16,384 and 32,768 tokens take 1.24 and
 * 1.21 times as long without forced balance (NVIDIA's Megatron MoE model zoo); this lies between what the two give.
 */
const deviation = 1.8;

/** Tokens of the busiest rank's experts over the mean of ranks: that of experts averages out over those of a rank, and one of `ep` ranks has most. */
export function busiestRank(config: ModelConfig, { ep }: Pick<Layout, 'ep'>, routing: Routing): number {
  const { mixture } = config;
  if (!mixture || routing === 'even') return 1;
  const each = deviation / Math.sqrt(mixture.experts / ep);
  // No rank has more than all tokens.
  return Math.min(ep, 1 + each * greatestOf(ep));
}

/** The greatest of so many numbers of a standard normal distribution, as it is expected to be (Blom, 1958). */
function greatestOf(count: number): number {
  return count === 1 ? 0 : quantile((count - 0.375) / (count + 0.25));
}

/** Of a standard normal distribution (Abramowitz and Stegun, 26.2.23: to 4.5e-4), above 1/2. */
function quantile(share: number): number {
  const t = Math.sqrt(-2 * Math.log(1 - share));
  const above = 2.515517 + t * (0.802853 + t * 0.010328);
  const below = 1 + t * (1.432788 + t * (0.189269 + t * 0.001308));
  return t - above / below;
}
