// Steps on devices of several kinds: the ranks of a stage wait for the slowest of them.
import type { Device } from '../hardware/device.ts';
import { allSeconds } from './run-seconds.ts';
import type { TrainingScenario } from './scenario.ts';
import type { StageTime } from './stage-time.ts';

/** The same as if all were of one kind. */
export const onKind = (scenario: TrainingScenario, device: Device): TrainingScenario =>
  device === scenario.cluster.device ? scenario : { ...scenario, cluster: { ...scenario.cluster, device } };

/** Of a stage on several kinds, that of the one whose passes take longest: the others wait for it. */
export function slowestOf(times: readonly StageTime[]): StageTime {
  const passes = ({ work }: StageTime): number =>
    (['forward', 'backward'] as const).reduce((sum, kind) => sum + allSeconds(work({ kind, chunk: 0 })), 0);
  return times.length === 1 ? times[0]! : times.reduce((most, each) => (passes(each) > passes(most) ? each : most));
}
