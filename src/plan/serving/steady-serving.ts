// A prediction by arithmetic: a load that stays the same, means alone. What a search over many deployments asks.
import type { Deployed } from './deployed.ts';
import { disaggregatedLoop } from './disaggregated.ts';
import { bottleneckOf } from './explained.ts';
import type { ServingPrediction } from './scenario.ts';
import { closedLoop, type SteadyState } from './steady-state.ts';

/** With `concurrency` requests under way over all instances. */
export function steadyServing(deployed: Deployed, concurrency: number): ServingPrediction {
  const { devices, lengths, writers } = deployed;
  const state = steadyOf(deployed, concurrency);
  const outputTokensPerSecond = state.requestsPerSecond * lengths.outputTokens;
  return {
    fits: true,
    devices,
    secondsToFirstToken: { mean: state.secondsToFirstToken },
    secondsPerOutputToken: { mean: state.secondsPerOutputToken },
    secondsOfRequest: { mean: state.secondsOfRequest },
    requestsPerSecond: state.requestsPerSecond,
    outputTokensPerSecond,
    outputTokensPerSecondPerDevice: outputTokensPerSecond / devices,
    running: state.running,
    decodeIteration: state.decodeIteration,
    memory: writers.instance.memory,
    bottleneck: bottleneckOf(deployed, state, concurrency),
  };
}

function steadyOf({ steady, writers, readers, transferSeconds }: Deployed, concurrency: number): SteadyState {
  if (readers) {
    const { instance: prefill, instances: prefills } = readers;
    const setting = { prefill, prefills, decode: steady, decodes: writers.instances, transferSeconds };
    return disaggregatedLoop(setting, concurrency);
  }
  const state = closedLoop(steady, Math.max(1, concurrency / writers.instances));
  return { ...state, requestsPerSecond: state.requestsPerSecond * Math.min(concurrency, writers.instances) };
}
