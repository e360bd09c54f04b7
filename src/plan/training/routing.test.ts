// Routing as it comes about: what the busiest rank has, and what that makes of a step.
import { expect, test } from 'vitest';
import { namedScenario } from '../../../test/training-scenarios.ts';
import { findModel } from '../../checkpoint/model-source.ts';
import { fittedCosts } from '../cost/fitted-costs.ts';
import { naturalStepSeconds } from './natural-step.ts';
import { predictTraining } from './predict-training.ts';
import { busiestRank } from './routing.ts';

const qwen = findModel('qwen3-235b-a22b').config;

test('the busiest of more ranks has more, of one rank and of even routing what all have', () => {
  const all = [1, 2, 4, 8, 16, 32, 64, 128].map((ep) => busiestRank(qwen, { ep }, 'natural'));
  expect(all[0]).toBe(1);
  expect(all).toEqual(all.toSorted((a, b) => a - b));
  for (const [i, busiest] of all.entries()) expect(busiest).toBeLessThanOrEqual(2 ** i);
  expect(busiestRank(qwen, { ep: 8 }, 'even')).toBe(1);
  expect(busiestRank(findModel('llama-3.1-8b').config, { ep: 1 }, 'natural')).toBe(1);
});

test('the expected greatest of normal numbers: 8 have 1.42, of 16 experts each a quarter of the deviation of one', () => {
  // Harter, 1961: the expected greatest of 8 is 1.42360; Blom's approximation is good to 1 %.
  const [two, eight] = [2, 8].map((ep) => (busiestRank(qwen, { ep }, 'natural') - 1) * Math.sqrt(128 / ep));
  // Of 2 it is 0.56419.
  expect(eight! / two! / (1.4236 / 0.56419)).toBeCloseTo(1, 1);
});

test('experts and what is sent to them take longer, all else as long; without experts shared out there is one number', () => {
  const scenario = namedScenario({
    model: 'qwen3-235b-a22b',
    cluster: '256xh100',
    layout: 'tp=4,pp=8,ep=8,sp,zero=1,recompute=full',
    globalBatch: 256,
  });
  const even = predictTraining(scenario, fittedCosts);
  const natural = predictTraining({ ...scenario, routing: 'natural' }, fittedCosts);
  expect(naturalStepSeconds(scenario, fittedCosts)).toBe(natural.stepSeconds);
  for (const cause of ['compute', 'ep'] as const) expect(natural.time[cause]).toBeGreaterThan(even.time[cause]);
  for (const cause of ['tp', 'dp', 'optimizer'] as const) expect(natural.time[cause]).toBe(even.time[cause]);
  const dense = namedScenario({ cluster: '8xh100', layout: 'dp=8,zero=3', globalBatch: 8 });
  expect(naturalStepSeconds(dense, fittedCosts)).toBeUndefined();
});
