import { expect, test } from 'vitest';
import { parseLayout } from '../../mesh/layout.ts';
import { parseModelConfig } from '../../model/families.ts';
import { findPreset } from '../../model/presets.ts';
import { parseCluster } from '../hardware/cluster-name.ts';
import { parseSoftware } from '../software/parse-software.ts';
import { currentSoftware, type Software } from '../software/software.ts';
import { intervalsOf } from './interval.ts';
import { mixedPrecision, type TrainingScenario } from './scenario.ts';

const scenario = (model: string, cluster: string): TrainingScenario => ({
  config: parseModelConfig(findPreset(model)!, ''),
  cluster: parseCluster(cluster),
  layout: parseLayout('dp=8'),
  seqLen: 4096,
  microBatch: 1,
  microbatches: 1,
  formats: mixedPrecision('bf16'),
  software: currentSoftware,
});

const memory = { weights: 1, gradients: 1, optimizer: 1, activations: 1, buffers: 0, total: 4 };
const widthOf = (model: string, cluster: string): number => {
  const { stepSeconds, memoryBytes } = intervalsOf(scenario(model, cluster), { stepSeconds: 1, memory });
  for (const [[low, high], value] of [
    [stepSeconds, 1],
    [memoryBytes, memory.total],
  ] as const) {
    expect(low).toBeLessThan(value);
    expect(high).toBeGreaterThan(value);
  }
  return Math.log(stepSeconds[1] / stepSeconds[0]);
};

test('what predictions know less of they are less sure of', () => {
  const dense = widthOf('llama-3.1-8b', '8xh100');
  expect(widthOf('llama-3.1-8b', '64xh100')).toBeGreaterThan(dense);
  expect(widthOf('mixtral-8x7b', '8xh100')).toBeGreaterThan(dense);
  // Of whose architecture no step was measured.
  expect(widthOf('llama-3.1-8b', '8xmi300x')).toBeGreaterThan(1.5 * dense);
});

test('of whatever software, runs take longer more often than they do of one that is named', () => {
  const boundsWith = (software: Software) =>
    intervalsOf({ ...scenario('llama-3.1-8b', '8xh100'), software }, { stepSeconds: 1, memory }).stepSeconds;
  const [tuned, named] = [boundsWith(currentSoftware), boundsWith(parseSoftware('nemo', 'software'))];
  expect(tuned[1]).toBeGreaterThan(1.1 * named[1]);
  expect(tuned[0]).toBeGreaterThan(named[0]);
});
