// What the best deployment is the least of, and what its tokens cost.
import type { Cluster } from '../hardware/cluster.ts';
import { idleShare } from '../search/objective.ts';
import type { ServingPrediction } from '../serving/scenario.ts';

/** On alike devices throughput and cost have the same best. */
export const servingObjectives = ['throughput', 'cost', 'latency'] as const;
export type ServingObjective = (typeof servingObjectives)[number];

/** Of a prediction or a bound of it. Less is better. */
export const servingValue = (
  objective: ServingObjective,
  figures: { readonly outputTokensPerSecond: number; readonly secondsPerOutputToken: number },
): number => (objective === 'latency' ? figures.secondsPerOutputToken : 1 / figures.outputTokensPerSecond);

/** Of output tokens, their share of the prompts included. */
export interface ServingTokenCosts {
  /** Undefined where nobody rents out the device. */
  readonly dollarsPerMillionTokens?: number;
  /** Undefined where it is not known what the device takes. */
  readonly joulesPerToken?: number;
}

/** What is neither talk nor the engine's own time keeps a device busy. */
export function servingTokenCosts({ device }: Cluster, prediction: ServingPrediction): ServingTokenCosts {
  const { dollarsPerHour, watts } = device;
  const perDevice = prediction.outputTokensPerSecondPerDevice;
  const { collectives, overhead, total } = prediction.decodeIteration;
  const busy = 1 - (collectives + overhead) / total;
  return {
    ...(dollarsPerHour === undefined ? {} : { dollarsPerMillionTokens: ((dollarsPerHour / 3600) * 1e6) / perDevice }),
    ...(watts === undefined ? {} : { joulesPerToken: (watts * (idleShare + (1 - idleShare) * busy)) / perDevice }),
  };
}
