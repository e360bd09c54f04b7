import { expect, test } from 'vitest';
import { namedScenario } from '../../../test/training-scenarios.ts';
import { fittedCosts } from '../cost/fitted-costs.ts';
import { predictTraining } from './predict-training.ts';
import { trainingParameters } from './training-parameters.ts';

/** Seconds that copies of pieces take. */
function copied(layout: string): number {
  const scenario = namedScenario({ layout, cluster: '64xh100', globalBatch: 64 });
  const [whole, pieces] = [false, true].map((copiesPieces) => {
    const software = { ...scenario.software, copiesPieces };
    return predictTraining({ ...scenario, software }, fittedCosts).time.optimizer;
  });
  return pieces! - whole!;
}

test('every tensor comes back in as many pieces as there are replicas, where ZeRO shares it out', () => {
  const all = copied('dp=64,zero=1');
  const pieces = all / trainingParameters.launchSeconds.compiled / 64;
  // Tensors of the model: whole ones, of every layer as many.
  expect(pieces).toBeCloseTo(Math.round(pieces), 6);
  expect(pieces).toBeGreaterThan(100);
  expect(copied('tp=2,dp=32,sp,zero=1') / all).toBeCloseTo(1 / 2, 6);
  for (const layout of ['dp=64', 'dp=64,zero=3']) expect(copied(layout)).toBe(0);
});
