// What speeds change of a step: stages and shares that are done sooner, by the very programs that run.
import { expect, test } from 'vitest';
import { parseLayout, printLayout } from '../mesh/layout.ts';
import { parseModelConfig } from '../model/families.ts';
import { presets } from '../model/presets.ts';
import type { StepSettings } from '../step/settings.ts';
import { buildTrainingStep } from '../step/training-step.ts';
import { replicaTimes, stagesBySpeed } from './by-speed.ts';
import { estimateStep } from './estimate-step.ts';
import { predictRank } from './predict-step.ts';
import { stageWork } from './stage-work.ts';

const config = parseModelConfig({ ...presets['llama-tiny'], num_hidden_layers: 8 }, 'llama-tiny');
const settingsOf = (text: string, speeds: readonly number[], more: Partial<StepSettings> = {}) =>
  ({
    ...({ config, layout: parseLayout(text), seqLen: 64, microBatch: 1, microbatches: 8, precision: 'f32' } as const),
    ...{ speeds, ...more },
  }) satisfies StepSettings;
/** Of the speed of the fastest rank, where talking is free. */
const rates = { secondsPerFlop: 1e-9, secondsPerCall: 0, secondsPerByte: 0, cores: 64 };

test.each(['pp=2', 'pp=2,tp=2,recompute=full:0-2', 'pp=4,cp=2'])('the work of %s is that of its programs', (text) => {
  const settings = settingsOf(text, [], { microbatches: 1 });
  const { layers, head } = stageWork(settings);
  const { tp, cp, pp } = settings.layout;
  const ofStages = Array.from({ length: pp }, (_, stage) => stage * tp * cp).map(
    (rank) => predictRank(buildTrainingStep(settings, rank)).flops,
  );
  expect(head + layers.reduce((sum, flops) => sum + flops, 0)).toBe(ofStages.reduce((sum, flops) => sum + flops, 0));
});

test.each([
  ['pp=2', [1, 1], 'pp=2'],
  ['pp=2', [1, 0.5], 'pp=2,stages=6+2'],
  ['pp=2', [0.5, 1], 'pp=2,stages=3+5'],
  // The slowest rank of a stage decides.
  ['tp=2,pp=2', [1, 1, 1, 0.5], 'tp=2,pp=2,stages=6+2'],
  ['pp=2,dp=2', [1, 0.5, 1, 1], 'dp=2,pp=2,stages=3+5'],
  ['pp=2,virtual=2', [1, 0.5], 'pp=2,virtual=2,stages=3+1+3+1'],
  ['pp=2,stages=1+7', [1, 0.5], 'pp=2,stages=1+7'],
  ['dp=2', [1, 0.5], 'dp=2'],
])('%s at speeds %j: %s', (text, speeds, expected) => {
  expect(printLayout(stagesBySpeed(settingsOf(text, speeds)))).toBe(expected);
});

test.each([
  ['pp=2', [1, 0.5], 0.8],
  ['pp=2,schedule=zb-h1', [0.5, 1], 0.8],
  ['pp=2,virtual=2', [1, 0.4], 0.8],
  ['pp=4,dp=2', [1, 1, 1, 1, 1, 1, 1, 0.5], 0.9],
])('a step of %s at speeds %j is shorter with stages by speed', (text, speeds, most) => {
  const settings = settingsOf(text, speeds);
  const even = estimateStep(settings, rates);
  expect(estimateStep({ ...settings, layout: stagesBySpeed(settings) }, rates) / even).toBeLessThan(most);
});

test('a replica takes as long as its slowest stage', () => {
  const ratio = ([first, second]: readonly number[]) => second! / first!;
  expect(ratio(replicaTimes(settingsOf('dp=2', [1, 0.5])))).toBe(2);
  expect(ratio(replicaTimes(settingsOf('tp=2,dp=2', [1, 0.5, 0.25, 1])))).toBe(2);
  const bound = settingsOf('dp=2,pp=2,stages=6+2', [1, 1, 1, 0.9]);
  expect(ratio(replicaTimes(bound))).toBe(1);
});

test('a step at speeds takes the time of its slowest replica, and shares by speed make that shorter', () => {
  const flops = predictRank(buildTrainingStep(settingsOf('dp=2', [1, 1]), 0)).flops;
  const settings = settingsOf('dp=2', [1, 0.5]);
  expect(estimateStep(settings, rates)).toBeCloseTo(2 * flops * rates.secondsPerFlop, 12);
  // 16 microbatches: 11 at speed 1, 5 at a half.
  const shared = estimateStep({ ...settings, microbatches: 11, shares: [11, 5] }, rates);
  expect(shared).toBeCloseTo((11 / 8) * flops * rates.secondsPerFlop, 12);
});
