import { expect, test } from 'vitest';
import { namedScenario } from '../../../test/training-scenarios.ts';
import { fittedCosts } from '../cost/fitted-costs.ts';
import type { Software } from '../software/software.ts';
import { predictTraining } from './predict-training.ts';
import { trainingParameters } from './training-parameters.ts';

/** Seconds that it takes longer than one gather. */
function longer(updated: Software['updated'], layout: string, cluster = '64xh100'): number {
  const scenario = namedScenario({ layout, cluster, globalBatch: 1024 });
  const [otherwise, gathered] = [updated, 'gathered' as const].map((how) => {
    const software = { ...scenario.software, updated: how };
    return predictTraining({ ...scenario, software }, fittedCosts).time.dp;
  });
  return otherwise! - gathered!;
}

test('every tensor comes back in as many pieces as there are replicas, where ZeRO shares it out', () => {
  const all = longer('copied', 'dp=64,zero=1');
  const pieces = all / trainingParameters.launchSeconds.compiled / 64;
  // Tensors of the model: whole ones, of every layer as many.
  expect(pieces).toBeCloseTo(Math.round(pieces), 6);
  expect(pieces).toBeGreaterThan(100);
  expect(longer('copied', 'tp=2,dp=32,sp,zero=1') / all).toBeCloseTo(1 / 2, 6);
  for (const layout of ['dp=64', 'dp=64,zero=3']) expect(longer('copied', layout)).toBe(0);
});

test('broadcasts of what each rank has updated take the longer the more ranks there are', () => {
  const of = (ranks: number) => longer('broadcast', `dp=${ranks},zero=1`, `${ranks}xh100`);
  expect(of(1024)).toBeGreaterThan(3 * of(256));
  expect(of(256)).toBeGreaterThan(3 * of(64));
  expect(longer('broadcast', 'dp=64')).toBe(0);
});
