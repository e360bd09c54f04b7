// Offload: how it is written, what it moves, and what that takes.
import { expect, test } from 'vitest';
import { namedScenario } from '../../../test/training-scenarios.ts';
import { fittedCosts } from '../cost/fitted-costs.ts';
import { fitsHost } from './fits.ts';
import { noOffload, type Offload, parseOffload, printOffload } from './offload.ts';
import { predictTraining } from './predict-training.ts';

test.each([
  ['optimizer', { optimizer: true, activations: 0 }],
  ['activations=0.25', { optimizer: false, activations: 0.25 }],
  ['none', noOffload],
  ['optimizer,activations=1', { optimizer: true, activations: 1 }],
])('%s', (text, offload) => {
  expect(parseOffload(text, '--offload')).toEqual(offload);
  expect(printOffload(offload)).toBe(text);
});

test('all activations need no share', () => {
  expect(parseOffload('activations', '--offload').activations).toBe(1);
});

test.each(['weights', '', 'activations=2', 'activations=-1', 'optimizer=1', 'optimizer;activations', 'none,optimizer'])(
  '"%s" is refused with what there is',
  (text) => {
    expect(() => parseOffload(text, '--offload')).toThrow(
      /^--offload: ".*" is nothing that can be moved .* use none by itself, optimizer/,
    );
  },
);

const scenario = namedScenario({ cluster: '8xh100', layout: 'pp=4,dp=2,zero=1', globalBatch: 32 });
const predict = (offload?: Offload) => predictTraining({ ...scenario, ...(offload ? { offload } : {}) }, fittedCosts);
const plain = predict();

test('an optimizer on the host: its bytes are there, nothing else moves, and the host is slower at it', () => {
  const { memory, memoryByStage, host, stepSeconds, time } = predict({ optimizer: true, activations: 0 });
  for (const [stage, { total, optimizer }] of memoryByStage.entries()) {
    expect(optimizer).toBe(0);
    // Whole bytes, but for those of buffers.
    const before = plain.memoryByStage[stage]!;
    expect(Math.round(total)).toBe(Math.round(before.total - before.optimizer));
  }
  expect(memory.optimizer).toBe(0);
  // Moments, the copies that it works on, and its gradients, four bytes each.
  expect(host!.bytes).toBe((Math.max(...plain.memoryByStage.map((each) => each.optimizer)) * 4) / 3);
  expect(time.optimizer).toBeGreaterThan(10 * plain.time.optimizer);
  // All else takes as long, but for the order of sums.
  expect((stepSeconds - time.optimizer) / (plain.stepSeconds - plain.time.optimizer)).toBeCloseTo(1, 12);
});

test('a host goes through all that its node holds of the parameters, however ranks share that out, and hosts do so at once', () => {
  const optimizerSeconds = (model: string, cluster: string, layout: string) => {
    const billions = namedScenario({ model, cluster, layout, globalBatch: 16 });
    return predictTraining({ ...billions, offload: { optimizer: true, activations: 0 } }, fittedCosts).time.optimizer;
  };
  const node = optimizerSeconds('llama-3.1-8b', '8xh200', 'dp=8,zero=3');
  // Ren et al. measured 2.57 s for 10^10 parameters (2021, "ZeRO-Offload", table 4); there are 0.8 times as many.
  expect(node).toBeGreaterThan(1.5);
  expect(node).toBeLessThan(2.57);
  expect(optimizerSeconds('llama-3.1-8b', '8xh200', 'tp=8') / node).toBeCloseTo(1, 1);
  expect(optimizerSeconds('llama-3.1-8b', '16xh200', 'dp=16,zero=3') / node).toBeCloseTo(1 / 2, 2);
  // 70.6 billion parameters for 8.03.
  expect(optimizerSeconds('llama-3.1-70b', '8xh200', 'dp=8,zero=3') / node).toBeCloseTo(70.6 / 8.03, 1);
});

test('the more activations are moved the less is on the device, the more on the host, and the longer a step', () => {
  const all = [0, 0.25, 0.5, 0.75, 1].map((activations) => predict({ optimizer: false, activations }));
  expect(all[0]!.memory).toEqual(plain.memory);
  expect(all[0]!.stepSeconds).toBe(plain.stepSeconds);
  expect(all[0]!.host).toBeUndefined();
  for (const [i, more] of all.entries()) {
    const less = all[i - 1];
    if (!less) continue;
    expect(more.memory.activations).toBeLessThan(less.memory.activations);
    expect(more.host!.bytes).toBeGreaterThan(less.host?.bytes ?? 0);
    expect(more.stepSeconds).toBeGreaterThanOrEqual(less.stepSeconds);
  }
  // Moved out and in: no more leaves the device than comes to the host.
  const last = all.at(-1)!;
  const left = plain.memoryByStage.map(
    ({ activations }, stage) => activations - last.memoryByStage[stage]!.activations,
  );
  expect(Math.max(...left)).toBeLessThanOrEqual(last.host!.bytes);
  expect(last.time.offload).toBeGreaterThan(0);
});

test('a host has its room too', () => {
  const small = { memoryBytes: 2 ** 33, memoryBytesPerSecond: 1e11, devices: 8, source: 'a test' };
  const { cluster } = scenario;
  const offload = { optimizer: true, activations: 0.5 };
  expect(fitsHost(predict(offload))).toBe(true);
  expect(fitsHost(predictTraining({ ...scenario, cluster: { ...cluster, host: small }, offload }, fittedCosts))).toBe(
    false,
  );
});
