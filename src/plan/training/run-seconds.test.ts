// What software does differently, as seconds of the same step.
import { expect, test } from 'vitest';
import { namedScenario } from '../../../test/training-scenarios.ts';
import { fittedCosts } from '../cost/fitted-costs.ts';
import { scoreKernels } from '../cost/written-scores.ts';
import type { Software } from '../software/software.ts';
import { summariseStages } from '../summary/stage-summary.ts';
import { trainingCosts } from './costs.ts';
import { predictTraining, stepSettings } from './predict-training.ts';
import { addSeconds, allSeconds, chunkSeconds, noSeconds, runSeconds } from './run-seconds.ts';
import { type TrainingScenario, widthsOf } from './scenario.ts';
import { trainingParameters } from './training-parameters.ts';

const scenario = namedScenario({ layout: 'tp=2,pp=2,dp=8,sp,zero=1', cluster: '32xh100', globalBatch: 64 });

const predict = (of: TrainingScenario, software: Partial<Software> = {}) =>
  predictTraining({ ...of, software: { ...of.software, ...software } }, fittedCosts);

test('a chunk takes what its parts take, one after the other', () => {
  const [first] = summariseStages(stepSettings(scenario), widthsOf(scenario.formats));
  const [chunk] = first!.chunks;
  const costs = trainingCosts(scenario, fittedCosts);
  const one = (kind: 'forward' | 'backward') =>
    chunk!.parts
      .flatMap(({ part, count }) =>
        Array.from({ length: count }, () => runSeconds(part[kind], costs, scenario.software, part.policy)),
      )
      .reduce(addSeconds, noSeconds);
  // Sums in another order.
  for (const kind of ['forward', 'backward'] as const)
    expect(allSeconds(chunkSeconds(chunk!, kind, costs, scenario.software)) / allSeconds(one(kind))).toBeCloseTo(1, 12);
});

test('a host that launches slowly is waited for, and hides what the device does where it is what is waited for', () => {
  const slow = (interpreted: number) =>
    predictTraining(
      { ...scenario, software: { ...scenario.software, launches: 'interpreted' } },
      {
        ...fittedCosts,
        parameters: { ...trainingParameters, launchSeconds: { ...trainingParameters.launchSeconds, interpreted } },
      },
    );
  // As much more as a launch takes more, where nothing else is waited for.
  const [a, b, c] = [slow(0.01), slow(0.02), slow(0.03)].map(({ stepSeconds }) => stepSeconds);
  expect((c! - b!) / (b! - a!)).toBeCloseTo(1, 3);
  expect(slow(0).time.launches).toBe(0);
});

test('where each kernel is awaited before the next is launched, launches come on top of all that the device does', () => {
  const [first] = summariseStages(stepSettings(scenario), widthsOf(scenario.formats));
  const { part } = first!.chunks[0]!.parts.find(({ part }) => part.name === 'block')!;
  const costs = trainingCosts(scenario, fittedCosts);
  const seconds = (launches: Software['launches']) =>
    runSeconds(part.forward, costs, { ...scenario.software, launches }, part.policy);
  const [awaited, free] = [seconds('awaited'), seconds('none')];
  const { launchSeconds, collectiveLaunches } = trainingParameters;
  const kernels = part.forward.kernels.reduce((sum, { kernel, count }) => sum + count * costs.launches(kernel), 0);
  const calls = part.forward.talk.reduce((sum, { count }) => sum + count, 0);
  const launched = kernels + collectiveLaunches * calls;
  expect(awaited.launches / (launched * launchSeconds.awaited)).toBeCloseTo(1, 12);
  expect(allSeconds(awaited) / (allSeconds(free) + awaited.launches)).toBeCloseTo(1, 12);
});

test('gradients that are added to their sums by kernels of their own cost a pass over them each microbatch, but where shards are summed', () => {
  const apart = predict(scenario, { addsApart: true });
  const fused = predict(scenario);
  const { parameters, gradients } = widthsOf(scenario.formats);
  const [first] = summariseStages(stepSettings(scenario), widthsOf(scenario.formats));
  // Those of matrices are nearly all of a stage's.
  const numbers = first!.state.weights / parameters;
  const moved = scenario.microbatches * numbers * (2 + 2 * gradients);
  const least = moved / scenario.cluster.device.memoryBytesPerSecond;
  const more = apart.time.compute - fused.time.compute;
  expect(more).toBeGreaterThan(0.8 * least);
  expect(more).toBeLessThan(1.4 * least);
  const shared = namedScenario({ layout: 'dp=32,zero=3', cluster: '32xh100', globalBatch: 64 });
  expect(predict(shared, { addsApart: true }).stepSeconds).toBe(predict(shared).stepSeconds);
});

test('parameters gathered tensor by tensor are waited for some times as long, where there are any to gather', () => {
  const exposed = { overlapsParameters: false, overlapsGradients: false };
  const both = (layout: string) => {
    const of = namedScenario({ layout, cluster: '32xh100', globalBatch: 32 });
    return [false, true].map((gathersTensors) => predict(of, { ...exposed, gathersTensors }));
  };
  const [blocks, tensors] = both('dp=32,zero=3');
  expect(tensors!.time.dp).toBeGreaterThan(2 * blocks!.time.dp);
  expect(tensors!.time.dp).toBeLessThan(10 * blocks!.time.dp);
  // Nothing else of the step is another.
  expect(tensors!.stepSeconds - tensors!.time.dp).toBeCloseTo(blocks!.stepSeconds - blocks!.time.dp, 9);
  const [whole, wholeTensors] = both('dp=32,zero=2');
  expect(wholeTensors!.stepSeconds).toBe(whole!.stepSeconds);
});

test('scores of heads that are no multiple of four have no fused softmax', () => {
  const attention = {
    kind: 'attention',
    pass: 'forward',
    batch: 1,
    kvHeads: 4,
    headDim: 64,
    valueDim: 64,
    queries: 1024,
    keys: 1024,
    scores: (1024 * 1025) / 2,
  } as const;
  const kernels = (heads: number) => scoreKernels({ ...attention, heads }, false, false);
  expect(kernels(4)).toHaveLength(3);
  expect(kernels(2).length).toBeGreaterThan(8);
  const bytes = (heads: number): number =>
    kernels(heads).reduce((sum, each) => sum + (each.kind === 'memory' ? 2 * each.floats + each.bytes : 0), 0);
  expect(bytes(2)).toBeGreaterThan(5 * bytes(4) * (2 / 4));
});

test('sums that wait for the last of their ranks take as much longer each', () => {
  const shown = { ...scenario, software: { ...scenario.software, overlapsTensor: false, launches: 'none' as const } };
  const [first] = summariseStages(stepSettings(shown), widthsOf(shown.formats));
  const { part } = first!.chunks[0]!.parts.find(({ part }) => part.name === 'block')!;
  const costs = trainingCosts(shown, fittedCosts);
  const tp = (awaitsRanks: boolean) =>
    runSeconds(part.forward, costs, { ...shown.software, awaitsRanks }, part.policy).tp;
  const calls = part.forward.talk.reduce((sum, { count }) => sum + count, 0);
  expect(calls).toBeGreaterThan(0);
  // Tens of microseconds, and less than a millisecond.
  expect((tp(true) - tp(false)) / calls).toBeGreaterThan(1e-5);
  expect((tp(true) - tp(false)) / calls).toBeLessThan(1e-3);
});
