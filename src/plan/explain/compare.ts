// Why one layout is better than another: what a step spends on each cause, side by side.
import { formatSeconds } from '../../units.ts';
import type { StepTime, TrainingPrediction } from '../training/scenario.ts';
import { causeNames } from './cause-names.ts';

/** Seconds that one spends more than another. */
export interface Difference {
  readonly cause: keyof StepTime;
  readonly seconds: number;
}

/** Less of a step than this is nothing to tell: what is left of sums in another order, most of all. */
const tellable = 1e-5;

/** The largest first; together they are the difference of the steps, up to what stages that are not the busiest make of it. */
export function compareTimes(
  better: Pick<TrainingPrediction, 'time' | 'stepSeconds'>,
  worse: Pick<TrainingPrediction, 'time'>,
): Difference[] {
  return (Object.keys(better.time) as (keyof StepTime)[])
    .map((cause) => ({ cause, seconds: worse.time[cause] - better.time[cause] }))
    .filter(({ seconds }) => Math.abs(seconds) > tellable * better.stepSeconds)
    .sort((a, b) => Math.abs(b.seconds) - Math.abs(a.seconds));
}

/** E.g. `11.6 ms more on compute`. */
export const differenceText = ({ cause, seconds }: Difference): string =>
  `${formatSeconds(Math.abs(seconds))} ${seconds > 0 ? 'more' : 'less'} on ${causeNames[cause]}`;
