// The step of a mixture of experts as its router makes it, beside the one of even routing that predictions are of.
import type { CostModel } from './costs.ts';
import { predictTraining } from './predict-training.ts';
import { busiestRank } from './routing.ts';
import type { TrainingScenario } from './scenario.ts';

/** Seconds; undefined where no rank has more tokens than another. */
export function naturalStepSeconds(scenario: TrainingScenario, model: CostModel): number | undefined {
  if (busiestRank(scenario.config, scenario.layout, 'natural') === 1) return undefined;
  return predictTraining({ ...scenario, routing: 'natural' }, model).stepSeconds;
}
