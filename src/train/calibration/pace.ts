// How much longer steps take than their kernels cost, by how often ranks meet.
import { worldSize } from '../../mesh/mesh.ts';
import { quantile } from '../../plan/cost/measured/fit-measured.ts';
import { measuredKernelSeconds } from '../../plan/cost/measured/measured-costs.ts';
import type { MeasuredKernels, MeasuredPace } from '../../plan/hardware/measured-machine.ts';
import { type CalibrationCase, probeName } from './cases.ts';
import type { TimedStep } from './timed-steps-rank.ts';

/** The same step without meetings. */
const plainOf = (cases: readonly CalibrationCase[], { settings }: CalibrationCase): number =>
  cases.findIndex((each) => each.settings === settings && !each.meetEvery);

/** Of a rank's work while all others wait for their turn, over that while all work. */
export function turnsOf(cases: readonly CalibrationCase[], timed: readonly TimedStep[], ranks: number): number {
  const at = cases.findIndex(({ inTurns }) => inTurns);
  if (at < 0) return 1;
  return quantile(timed[at]!.seconds, 0.5) / ranks / quantile(timed[plainOf(cases, cases[at]!)]!.seconds, 0.5);
}

/** Of so many ranks, from the steps that each takes by itself: all of them where ranks meet at the end, some where they meet before. */
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
    const { meetEvery, inTurns } = cases[at]!;
    if (!meetEvery || inTurns) return [];
    const instructions = timed[at]!.kernels.length / ranks;
    return [
      [(meetEvery / instructions) * costOf(at), (atTheEnd * secondsOf(at)) / secondsOf(plainOf(cases, cases[at]!))],
    ];
  });
  return [...before, [costOf(probe), atTheEnd] as const].map(([between, over]) => [between, Math.max(1, over)]);
}

const sum = (all: readonly number[]): number => all.reduce((a, b) => a + b, 0);
