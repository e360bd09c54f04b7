import { expect, test } from 'vitest';
import { parseLayout } from '../../mesh/layout.ts';
import { parseModelConfig } from '../../model/families.ts';
import { findPreset } from '../../model/presets.ts';
import { fittedCosts } from '../cost/fitted-costs.ts';
import { type Calibration, uncalibrated } from '../hardware/calibration.ts';
import { parseCluster } from '../hardware/cluster-name.ts';
import { currentSoftware } from '../software/software.ts';
import { predictTraining } from '../training/predict-training.ts';
import { mixedPrecision, type TrainingScenario } from '../training/scenario.ts';
import { type CalibrationResult, calibrate, type MeasuredRun, withCalibration } from './calibrate.ts';

const config = parseModelConfig({ ...findPreset('llama-3.1-8b'), num_hidden_layers: 4 }, '');

const scenario = (cluster: string, layout: string, seqLen: number): TrainingScenario => ({
  config,
  cluster: parseCluster(cluster),
  layout: parseLayout(layout),
  seqLen,
  microBatch: 1,
  microbatches: 2,
  formats: mixedPrecision('bf16'),
  software: { ...currentSoftware, overlapsTensor: false, overlapsGradients: false, overlapsParameters: false },
});

const scenarios = [
  scenario('8xh100', 'dp=8', 8192),
  scenario('8xh100', 'tp=8', 2048),
  scenario('8xh100', 'tp=4,dp=2,sp', 4096),
  scenario('16xh100', 'dp=16', 1024),
  scenario('16xh100', 'tp=8,dp=2', 8192),
  scenario('32xh100', 'dp=32,zero=3', 2048),
];

/** Runs that take what is predicted with these constants. */
const runsOf = (calibration: Calibration): MeasuredRun[] =>
  scenarios.map((each, at) => ({
    id: `${at}`,
    scenario: each,
    measuredSeconds: predictTraining(withCalibration(each, calibration), fittedCosts).stepSeconds,
  }));

function fitted(runs: readonly MeasuredRun[]): CalibrationResult {
  const working = calibrate(runs, fittedCosts);
  for (;;) {
    const next = working.next();
    if (next.done) return next.value;
  }
}

const errorOf = ({ runs }: CalibrationResult, which: 'before' | 'after' | 'leftOut'): number =>
  Math.max(...runs.map((run) => Math.abs(run[which] / run.measuredSeconds - 1)));

test('runs as predicted leave all constants as they are', () => {
  const { calibration, runs } = fitted(runsOf(uncalibrated));
  expect(calibration).toEqual(uncalibrated);
  for (const { before, leftOut, measuredSeconds } of runs) {
    expect(before).toBeCloseTo(measuredSeconds, 9);
    expect(leftOut).toBeCloseTo(measuredSeconds, 9);
  }
});

test('slow products and a slow network are told apart, and a run that was left out is predicted better than before', () => {
  const truth = { ...uncalibrated, products: 1.2, network: 1.5 };
  const found = fitted(runsOf(truth));
  expect(found.calibration.network).toBeGreaterThan(1.2);
  expect(found.calibration.products).toBeGreaterThan(1.1);
  expect(found.calibration.products).toBeLessThan(found.calibration.network);
  // Constants are drawn towards 1, so that not all of the error goes.
  expect(errorOf(found, 'after')).toBeLessThan(errorOf(found, 'before') / 3);
  expect(errorOf(found, 'leftOut')).toBeLessThan(errorOf(found, 'before'));
});

test('one run moves constants some of the way only', () => {
  const [run] = runsOf({ ...uncalibrated, products: 1.3 });
  const { calibration, runs } = fitted([run!]);
  expect(calibration.products).toBeGreaterThan(1.1);
  expect(calibration.products).toBeLessThan(1.3);
  // Without it there is nothing to learn from.
  expect(runs[0]!.leftOut).toBeCloseTo(runs[0]!.before, 9);
});
