// Of a predicted step: what is put down to messages between stages, and DualPipe: what its ranks hold, and what it hides.
import { expect, test } from 'vitest';
import { namedScenario } from '../../../test/training-scenarios.ts';
import { fittedCosts } from '../cost/fitted-costs.ts';
import { predictTraining } from './predict-training.ts';
import { mixedPrecision, type TrainingScenario } from './scenario.ts';

const predict = (scenario: TrainingScenario) => predictTraining(scenario, fittedCosts);
const sumOf = (parts: object): number => Object.values(parts).reduce((sum: number, each: number) => sum + each, 0);

test.each([true, false])(
  'on a slow network messages are seen as such, hidden by the senders or not (%s)',
  (overlapsPipeline) => {
    const on = (cluster: string) => {
      const scenario = namedScenario({ cluster, layout: 'pp=4,dp=8', globalBatch: 64 });
      return predict({ ...scenario, software: { ...scenario.software, overlapsPipeline } });
    };
    const [fast, slow] = [on('32xh100'), on('32xh100@ethernet-10')];
    expect(slow.time.pp).toBeGreaterThan(10 * fast.time.pp);
    // What stages wait for each other's work does not depend on the network, but for the order of sums.
    expect(slow.time.bubble / fast.time.bubble).toBeCloseTo(1, 9);
    expect(sumOf(slow.time) / slow.stepSeconds).toBeCloseTo(1, 9);
  },
);

const deepSeek = (layout: string): TrainingScenario => ({
  ...namedScenario({ model: 'deepseek-v3', cluster: '2048xh800', layout, globalBatch: 15360 }),
  formats: mixedPrecision('fp8'),
});

test('DualPipe: a rank has the weights of two stages and the moments of one', () => {
  const one = predict(deepSeek('pp=16,ep=64,dp=2,zero=1,recompute=full'));
  const dual = predict(deepSeek('pp=16,ep=64,dp=2,zero=1,recompute=full,schedule=dualpipe'));
  const last = one.memoryByStage.length - 1;
  for (const [stage, { weights, gradients, optimizer }] of dual.memoryByStage.entries()) {
    const pair = [one.memoryByStage[stage]!, one.memoryByStage[last - stage]!];
    // A stage whose layers are fewer has other paddings to whole shares.
    expect(weights / sumOf(pair.map((each) => each.weights))).toBeCloseTo(1, 4);
    expect(gradients / sumOf(pair.map((each) => each.gradients))).toBeCloseTo(1, 4);
    // Both copies share it out between them.
    expect(optimizer / (sumOf(pair.map((each) => each.optimizer)) / 2)).toBeCloseTo(1, 4);
  }
});

test('DeepSeek-V3 on 2,048 H800: exchanges of experts are hidden, and tokens a second are near the published', () => {
  const dual = predict(deepSeek('pp=16,ep=64,dp=2,zero=1,recompute=selective,schedule=dualpipe'));
  const halves = predict(deepSeek('pp=16,ep=64,dp=2,zero=1,recompute=selective,schedule=zb-h1'));
  expect(dual.time.ep).toBeLessThan(halves.time.ep / 4);
  expect(dual.time.bubble).toBeLessThan(halves.time.bubble);
  // 180,000 hours of a GPU for 10^12 tokens (DeepSeek-AI 2024, table 1), a module for a second next token included, which is a layer and a head more.
  const published = 1e12 / (180e3 * 3600);
  expect(dual.tokensPerSecondPerDevice / published).toBeGreaterThan(0.95);
  expect(dual.tokensPerSecondPerDevice / published).toBeLessThan(1.12);
});
