// What is judged: the predictions of this planner.
import { fittedCosts } from '../cost/fitted-costs.ts';
import { predictServing } from '../serving/predict-serving.ts';
import { predictTraining } from '../training/predict-training.ts';
import type { Predictors } from './judge.ts';

export const predictors: Predictors = {
  training: (scenario) => predictTraining(scenario, fittedCosts),
  serving: predictServing,
};
