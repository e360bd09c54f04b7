// What a saved run may say of itself.
import { expect, test } from 'vitest';
import { type RunSettings, runSchema, trainDefaults } from './settings.ts';

const run: RunSettings = {
  ...trainDefaults,
  set: [],
  data: ['book.txt'],
  layout: 'tp=1',
  microBatch: 1,
  minLearningRate: 1e-4,
  warmupSteps: 10,
  decaySteps: 100,
  pack: true,
};
const {
  heldOutForEvaluation: _,
  timeoutSeconds: __,
  dpoLearningRate: ___,
  ...saved
} = run as RunSettings & typeof trainDefaults;

test('is read as it was written, and a run from before there was a choice has what all had', () => {
  expect(runSchema.parse(saved)).toEqual(saved);
  const {
    pack: _,
    objective: __,
    beta: ___,
    auxLoss: ____,
    zLoss: _____,
    biasRate: ______,
    routing: _______,
    ...earlier
  } = saved;
  const usual = { pack: false, objective: 'next-token', auxLoss: 0, zLoss: 0, biasRate: 0, routing: 'tokens' };
  expect(runSchema.parse(earlier)).toEqual({ ...earlier, ...usual });
  expect(runSchema.safeParse({ ...saved, pack: 'yes' }).success).toBe(false);
});
