// How much longer steps take than their kernels cost, by how often ranks meet.
import { worldSize } from '../../mesh/mesh.ts';
import { quantile } from '../../plan/cost/measured/fit-measured.ts';
import { measuredKernelSeconds } from '../../plan/cost/measured/measured-costs.ts';
import type { MeasuredKernels, MeasuredPace } from '../../plan/hardware/measured-machine.ts';
import { type CalibrationCase, probeName } from './cases.ts';
import type { TimedStep } from './timed-steps-rank.ts';

/** Of so many ranks, from the steps that each takes by itself: all of them where ranks meet at the end, the probe where they meet before. */
export function paceOf(
  cases: readonly CalibrationCase[],
  timed: readonly TimedStep[],
  costs: MeasuredKernels,
  ranks: number,
): MeasuredPace {
  /** What the kernels of a rank cost. */
  const costOf = (at: number): number =>
    sum(timed[at]!.kernels.map(({ kernel }) => measuredKernelSeconds(kernel, costs))) / ranks;
  const secondsOf = (at: number): number => quantile(timed[at]!.seconds, 0.5);
  const places = [...cases.keys()];
  const alone = places.filter((at) => worldSize(cases[at]!.settings.layout) === 1 && !cases[at]!.meetEvery);
  const rounds = timed[0]!.seconds.map((_, round) => sum(alone.map((at) => timed[at]!.seconds[round]!)));
  const atTheEnd = quantile(rounds, 0.5) / sum(alone.map(costOf));
  const probe = cases.findIndex(({ name }) => name === probeName);
  const before = places.flatMap((at): MeasuredPace => {
    const { meetEvery } = cases[at]!;
    if (!meetEvery) return [];
    const instructions = timed[at]!.kernels.length / ranks;
    return [[(meetEvery / instructions) * costOf(at), (atTheEnd * secondsOf(at)) / secondsOf(probe)]];
  });
  return [...before, [costOf(probe), atTheEnd] as const].map(([between, over]) => [between, Math.max(1, over)]);
}

const sum = (all: readonly number[]): number => all.reduce((a, b) => a + b, 0);
