// What experts cost beside their products in Megatron: a launch for each, biases that are added op by op, and passes that are saved.
import { expect, test } from 'vitest';
import { namedScenario } from '../../../test/training-scenarios.ts';
import { fittedCosts } from '../cost/fitted-costs.ts';
import type { Software } from '../software/software.ts';
import { predictTraining } from './predict-training.ts';
import type { TrainingScenario } from './scenario.ts';
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
    const step = (experts: Software['experts']) =>
      predictTraining(
        { ...scenario, software: { ...scenario.software, launches: 'interpreted', experts } },
        { ...fittedCosts, parameters },
      ).stepSeconds;
    return (step('looped') - step('by op')) / scenario.microbatches / 0.01;
  };
  const layers = 48;
  // bf16: three products forward and three for each of both gradients; four passes are within others.
  const moreOf = (own: number) => layers * (9 * trainingParameters.loopedLaunch * (own - 1) - 4);
  expect(hostOf(8) / moreOf(16)).toBeCloseTo(1, 3);
  expect(hostOf(16) / moreOf(8)).toBeCloseTo(1, 3);
});

test('biases of experts that are added op by op go through the rows again and again', () => {
  const gptOss = experts('gpt-oss-120b', 64, 256);
  const { config, cluster, microbatches, microBatch, seqLen } = gptOss;
  const { biases: _, ...plain } = config.mixture!;
  const rows = microBatch * seqLen * plain.perToken;
  const bytes = config.layers * rows * (36 * plain.intermediateSize + 68 * config.hiddenSize);
  const least = (microbatches * bytes) / cluster.device.memoryBytesPerSecond;
  const unbiased = { ...gptOss, config: { ...config, mixture: plain } };
  const looped = { experts: 'looped' } as const;
  const more = timeOf(gptOss, looped).compute - timeOf(unbiased, looped).compute;
  expect(more).toBeGreaterThan(least);
  expect(more).toBeLessThan(1.4 * least);
  // They keep an activation out of products.
  expect(timeOf(gptOss, { experts: 'fused' }).compute).toBe(timeOf(gptOss, looped).compute);
});

test('passes that other kernels make as well are saved: of weights with activations, of activations with products', () => {
  const qwen = experts('qwen3-30b-a3b', 8);
  const [byOp, looped, fused] = (['by op', 'looped', 'fused'] as const).map(
    (each) => timeOf(qwen, { experts: each }).compute,
  );
  expect(looped).toBeLessThan(byOp!);
  expect(fused).toBeLessThan(looped!);
  // Without experts there is nothing to save.
  const dense = namedScenario({ cluster: '8xh100', layout: 'dp=8,zero=3', globalBatch: 8 });
  expect(timeOf(dense, { experts: 'fused' })).toEqual(timeOf(dense, { experts: 'by op' }));
});

test('a host that waits for rows to be counted runs less far ahead: where it takes about as long as the device, both take longer', () => {
  const qwen = experts('qwen3-30b-a3b', 8);
  const step = (takesTurnsAwaiting: number, experts: Software['experts']) =>
    predictTraining(
      { ...qwen, software: { ...qwen.software, launches: 'interpreted', experts } },
      { ...fittedCosts, parameters: { ...trainingParameters, takesTurnsAwaiting } },
    ).stepSeconds;
  const ahead = step(trainingParameters.takesTurns, 'looped');
  const awaiting = step(trainingParameters.takesTurnsAwaiting, 'looped');
  expect(awaiting).toBeGreaterThan(ahead);
  // Never longer than one after the other.
  expect(awaiting).toBeLessThan(2 ** (1 / trainingParameters.takesTurnsAwaiting) * ahead);
  expect(step(1, 'fused')).toBe(step(8, 'fused'));
});
