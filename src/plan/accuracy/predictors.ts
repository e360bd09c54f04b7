// What is judged: the predictions of this planner.
import { fail } from '../../errors.ts';
import type { Predictors } from './judge.ts';
import { trivialTraining } from './trivial.ts';

export const predictors: Predictors = {
  training: trivialTraining,
  serving: () => fail('CONFIG_INVALID', { path: 'serving', problem: 'not yet', fix: 'wait' }),
};
