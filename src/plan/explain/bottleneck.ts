// What a layout is short of: weights (their bytes, or the talk they need), work (products), or state (activations, and what keeps them few);
// where it is none of these, the host, which launches kernels more slowly than the device runs them.
import { missingBytes } from '../training/fits.ts';
import type { StepTime, TrainingPrediction, TrainingScenario } from '../training/scenario.ts';

export type Bottleneck = 'weights' | 'work' | 'state' | 'host';

export interface Shortage {
  readonly bottleneck: Bottleneck;
  /** In words. */
  readonly because: string;
}

/** What each cause of a step's time is for: whose weights or activations talk carries. Bubbles are what few microbatches under way cost. */
const causeOf: Readonly<Record<keyof StepTime, Bottleneck>> = {
  compute: 'work',
  launches: 'host',
  tp: 'state',
  cp: 'state',
  ep: 'state',
  pp: 'state',
  bubble: 'state',
  offload: 'state',
  dp: 'weights',
  optimizer: 'weights',
};

const percent = (share: number): string => `${Math.round(share * 100)} %`;

/** Of a step whose memory is there; of one that does not fit, what takes most of it. */
export function bottleneckOf(
  scenario: Pick<TrainingScenario, 'cluster' | 'layout'>,
  prediction: TrainingPrediction,
): Shortage {
  const { time, stepSeconds, memory } = prediction;
  if (missingBytes(scenario, prediction) > 0) {
    const kept = memory.weights + memory.gradients + memory.optimizer;
    return kept > memory.activations
      ? {
          bottleneck: 'weights',
          because: `weights, gradients and moments take ${percent(kept / memory.total)} of what a rank holds`,
        }
      : {
          bottleneck: 'state',
          because: `activations take ${percent(memory.activations / memory.total)} of what a rank holds`,
        };
  }
  const sums: Record<Bottleneck, number> = { weights: 0, work: 0, state: 0, host: 0 };
  for (const [cause, seconds] of Object.entries(time) as [keyof StepTime, number][]) sums[causeOf[cause]] += seconds;
  const share = (of: Bottleneck) => percent(sums[of] / stepSeconds);
  // Products are what a step is for: less than half of it is a sign that something else holds them up.
  if (sums.work >= stepSeconds / 2)
    return { bottleneck: 'work', because: `products and what goes with them take ${share('work')} of a step` };
  if (sums.host > Math.max(sums.weights, sums.state))
    return { bottleneck: 'host', because: `waiting for the host to launch kernels takes ${share('host')} of a step` };
  return sums.weights > sums.state
    ? { bottleneck: 'weights', because: `gradients, parameters and the optimizer take ${share('weights')} of a step` }
    : {
        bottleneck: 'state',
        because: `activations on their way and waiting for them take ${share('state')} of a step`,
      };
}
