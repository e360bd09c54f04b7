// A curve's points are predictions of the layout with fewer replicas.
import { expect, test } from 'vitest';
import { namedScenario } from '../../../test/training-scenarios.ts';
import { parseLayout } from '../../mesh/layout.ts';
import { fittedCosts } from '../cost/fitted-costs.ts';
import { parseCluster } from '../hardware/cluster-name.ts';
import { scalingOf } from '../scaling.ts';
import { predictTraining } from './predict-training.ts';
import { scalingCurve } from './scaling-curve.ts';

const scenario = namedScenario({ layout: 'tp=2,pp=2,dp=8,sp,zero=1', cluster: '32xh100', globalBatch: 64 });
const seconds = (changed: Partial<typeof scenario>) =>
  predictTraining({ ...scenario, ...changed }, fittedCosts).stepSeconds;

test('the same batch on fewer replicas, and a batch of as many microbatches each', () => {
  const curve = scalingCurve(scenario, fittedCosts);
  expect(curve.map(({ devices }) => devices)).toEqual([4, 8, 16, 32]);
  const [first, second] = curve;
  const part = { layout: parseLayout('tp=2,pp=2,dp=2,sp,zero=1'), cluster: parseCluster('8xh100') };
  expect(second!.strong.stepSeconds).toBe(seconds({ ...part, microbatches: 32 }));
  expect(second!.weak.stepSeconds).toBe(seconds({ ...part, microbatches: 8 }));
  expect(curve.at(-1)!.strong.stepSeconds).toBe(seconds({}));
  expect(curve.at(-1)!.weak.stepSeconds).toBe(seconds({}));
  expect(second!.strong).toMatchObject(scalingOf(2, second!.strong.stepSeconds, first!.strong.stepSeconds));
  expect(second!.weak.efficiency).toBe(first!.weak.stepSeconds / second!.weak.stepSeconds);
});

test('nothing to compare with one replica; long schedules are not played', () => {
  expect(scalingCurve({ ...scenario, layout: parseLayout('tp=2,pp=16,sp') }, fittedCosts)).toEqual([]);
  // 2 works of 2 stages: of 8,192 microbatches on two replicas they are as many as are played.
  const [least] = scalingCurve({ ...scenario, microbatches: 2048 }, fittedCosts);
  expect(least!.devices).toBe(8);
});
