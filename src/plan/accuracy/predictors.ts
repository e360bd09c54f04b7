// What is judged: the predictions of this planner.
import { fail } from '../../errors.ts';
import { fittedCosts } from '../cost/fitted-costs.ts';
import { predictTraining } from '../training/predict-training.ts';
import type { Predictors } from './judge.ts';

export const predictors: Predictors = {
  training: (scenario) => predictTraining(scenario, fittedCosts),
  serving: () => fail('CONFIG_INVALID', { path: 'serving', problem: 'not yet', fix: 'wait' }),
};
