// Fits a cluster's few constants to its owner's runs: how much longer each kind of work takes than the models expect. Few runs say little,
// so each constant is drawn towards 1 as strongly as such constants are known to be near it.
//
//   minimise  Σ over runs (log predicted − log measured)² / noise² + Σ over constants (log constant)² / spread²      (Gauss-Newton)
import { type CalibratedWork, type Calibration, calibrated, uncalibrated } from '../hardware/calibration.ts';
import type { CostModel } from '../training/costs.ts';
import { predictTraining } from '../training/predict-training.ts';
import type { TrainingScenario } from '../training/scenario.ts';
import { solve } from './solve.ts';

export interface MeasuredRun {
  readonly id: string;
  readonly scenario: TrainingScenario;
  /** Of a step. */
  readonly measuredSeconds: number;
}

export interface CalibratedRun extends MeasuredRun {
  /** Seconds: without constants, with them, and with those of the other runs alone. */
  readonly before: number;
  readonly after: number;
  readonly leftOut: number;
}

export interface CalibrationResult {
  readonly calibration: Calibration;
  readonly runs: readonly CalibratedRun[];
}

/** Logarithms: of a run over what a model with the right constants says of it, and of a constant from one cluster to another. */
const noise = 0.06;
const spread = 0.15;
const rounds = 3;
/** Over which a derivative is taken. */
const nudge = 0.05;

/** Says before every run how many predictions are done, and how many there will be. */
export function* calibrate(
  runs: readonly MeasuredRun[],
  model: CostModel,
): Generator<{ readonly done: number; readonly total: number }, CalibrationResult> {
  const total = runs.length * (2 + rounds * (calibrated.length + 1));
  let done = 0;
  const predict = ({ scenario }: MeasuredRun, logs: readonly number[]): number => {
    done++;
    return Math.log(predictTraining(withCalibration(scenario, calibrationOf(logs)), model).stepSeconds);
  };
  const none = calibrated.map(() => 0);
  let logs: number[] = none;
  let lines: Line[] = [];
  const before: number[] = [];
  for (let round = 0; round < rounds; round++) {
    lines = [];
    for (const run of runs) {
      yield { done, total };
      const at = predict(run, logs);
      if (round === 0) before.push(at);
      const slopes = logs.map(
        (_, i) =>
          (predict(
            run,
            logs.map((log, j) => (i === j ? log + nudge : log)),
          ) -
            at) /
          nudge,
      );
      // What it would be at constants of 1, were it straight.
      const start = at - slopes.reduce((sum, slope, i) => sum + slope * logs[i]!, 0);
      lines.push({ slopes, start, measured: Math.log(run.measuredSeconds) });
    }
    logs = fitTo(lines);
  }
  const calibratedRuns: CalibratedRun[] = [];
  for (const [at, run] of runs.entries()) {
    yield { done, total };
    const others = fitTo(lines.filter((_, other) => other !== at));
    const [after, leftOut] = [predict(run, logs), predict(run, others)];
    calibratedRuns.push({
      ...run,
      before: Math.exp(before[at]!),
      after: Math.exp(after),
      leftOut: Math.exp(leftOut),
    });
  }
  return { calibration: calibrationOf(logs), runs: calibratedRuns };
}

/** The logarithm of a run's seconds as a line in the logarithms of the constants. */
interface Line {
  readonly slopes: readonly number[];
  readonly start: number;
  readonly measured: number;
}

function fitTo(lines: readonly Line[]): number[] {
  const weight = 1 / noise ** 2;
  return solve(
    calibrated.map((_, i) => [
      ...calibrated.map((_, j) =>
        lines.reduce((sum, { slopes }) => sum + weight * slopes[i]! * slopes[j]!, i === j ? 1 / spread ** 2 : 0),
      ),
      lines.reduce((sum, { slopes, start, measured }) => sum + weight * slopes[i]! * (measured - start), 0),
    ]),
  );
}

const calibrationOf = (logs: readonly number[]): Calibration =>
  Object.fromEntries(calibrated.map((work, i) => [work, Number(Math.exp(logs[i]!).toPrecision(4))])) as Record<
    CalibratedWork,
    number
  >;

/** On a cluster with these constants. */
export const withCalibration = (scenario: TrainingScenario, calibration = uncalibrated): TrainingScenario => ({
  ...scenario,
  cluster: { ...scenario.cluster, device: { ...scenario.cluster.device, calibration } },
});
