// How much longer steps take than their kernels cost, by how often ranks meet.

import { worldSize } from '../../mesh/mesh.ts';
import { quantile } from '../../plan/cost/measured/fit-measured.ts';
import { measuredKernelSeconds } from '../../plan/cost/measured/measured-costs.ts';
import type { MeasuredKernels, MeasuredPace } from '../../plan/hardware/measured-machine.ts';
import { type CalibrationCase, probeName } from './cases.ts';
import type { TimedStep } from './timed-steps-rank.ts';

/** Where there is no other rank to meet, steps are as long however they are cut. */
export function paceOf(
  cases: readonly CalibrationCase[],
  timed: readonly TimedStep[],
  kernels: MeasuredKernels,
  ranks: number,
): MeasuredPace {
  const unmet = timed.filter((_, at) => worldSize(cases[at]!.settings.layout) === 1 && !cases[at]!.meetEvery);
  const costs = sum(unmet.map((step) => costOf(step, kernels) / ranks));
  const rounds = unmet[0]!.seconds.map((_, round) => sum(unmet.map(({ seconds }) => seconds[round]!)));
  const apart = quantile(rounds, 0.5) / costs;
  const probe = timed[cases.findIndex(({ name }) => name === probeName)]!;
  const met = cases.flatMap(({ meetEvery }, at): [number, number][] => {
    if (!meetEvery) return [];
    const { seconds, kernels: met } = timed[at]!;
    const meetings = met.length / ranks / meetEvery;
    return [
      [costOf(timed[at]!, kernels) / ranks / meetings, apart * (quantile(seconds, 0.5) / quantile(probe.seconds, 0.5))],
    ];
  });
  const whole = costOf(probe, kernels) / ranks;
  return [...met, [whole, apart] as const].map(([between, over]) => [between, Math.max(1, over)] as const);
}

const sum = (all: readonly number[]): number => all.reduce((a, b) => a + b, 0);

/** Of all ranks together. */
const costOf = ({ kernels }: TimedStep, costs: MeasuredKernels): number =>
  sum(kernels.map(({ kernel }) => measuredKernelSeconds(kernel, costs)));
