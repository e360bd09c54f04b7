// What experts cost beside their products in Megatron: a launch for each, and biases that are added op by op.
import { expect, test } from 'vitest';
import { namedScenario } from '../../../test/training-scenarios.ts';
import { fittedCosts } from '../cost/fitted-costs.ts';
import { predictTraining } from './predict-training.ts';
import type { Software, TrainingScenario } from './scenario.ts';
import { trainingParameters } from './training-parameters.ts';

const experts = (model: string, ep: number, globalBatch = 8 * ep): TrainingScenario =>
  namedScenario({ model, cluster: `${ep}xb200`, layout: `ep=${ep},zero=1`, globalBatch });
const timeOf = (scenario: TrainingScenario, software: Partial<Software>) =>
  predictTraining({ ...scenario, software: { ...scenario.software, ...software } }, fittedCosts).time;

test('products that are launched for each expert make a host as much later as there are experts', () => {
  const hostOf = (ep: number): number => {
    const scenario = experts('qwen3-30b-a3b', ep);
    // The host is all that is waited for: what it takes is the step.
    const parameters = {
      ...trainingParameters,
      launchSeconds: { ...trainingParameters.launchSeconds, interpreted: 0.01 },
    };
    const step = (loopsOverExperts: boolean) =>
      predictTraining(
        { ...scenario, software: { ...scenario.software, launches: 'interpreted', loopsOverExperts } },
        { ...fittedCosts, parameters },
      ).stepSeconds;
    return (step(true) - step(false)) / scenario.microbatches / 0.01;
  };
  const layers = 48;
  // bf16: three products forward and three for each of both gradients.
  expect(hostOf(8) / (layers * 9 * trainingParameters.loopedLaunch * 15)).toBeCloseTo(1, 2);
  expect(hostOf(16) / (layers * 9 * trainingParameters.loopedLaunch * 7)).toBeCloseTo(1, 2);
});

test('biases of experts that are added op by op go through the rows again and again; without biases nothing does', () => {
  const gptOss = experts('gpt-oss-120b', 64, 256);
  const { config, cluster, microbatches, microBatch, seqLen } = gptOss;
  const rows = microBatch * seqLen * config.mixture!.perToken;
  const bytes = config.layers * rows * (36 * config.mixture!.intermediateSize + 68 * config.hiddenSize);
  const least = (microbatches * bytes) / cluster.device.memoryBytesPerSecond;
  const more = timeOf(gptOss, { biasesApart: true }).compute - timeOf(gptOss, { biasesApart: false }).compute;
  expect(more).toBeGreaterThan(least);
  expect(more).toBeLessThan(1.4 * least);
  const qwen = experts('qwen3-30b-a3b', 8);
  expect(timeOf(qwen, { biasesApart: true })).toEqual(timeOf(qwen, { biasesApart: false }));
});
