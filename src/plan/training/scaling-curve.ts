// How a layout scales: the same split of every replica, and more replicas of it; once for the same batch, once for one that grows.
import { worldSize } from '../../mesh/mesh.ts';
import { divisors } from '../../model/fit.ts';
import { partOfCluster } from '../hardware/part-of-cluster.ts';
import { type Scaling, scalingOf } from '../scaling.ts';
import type { CostModel } from './costs.ts';
import { fits } from './fits.ts';
import { predictTraining } from './predict-training.ts';
import type { TrainingScenario } from './scenario.ts';

export interface ScalingStep extends Scaling {
  readonly stepSeconds: number;
  readonly fits: boolean;
}

/** Against the first point, as if its devices were one. */
export interface ScalingPoint {
  readonly devices: number;
  /** The whole batch, whatever the devices. */
  readonly strong: ScalingStep;
  /** As many microbatches a replica, whatever the devices. */
  readonly weak: ScalingStep;
}

const mostPoints = 8;
/** Works of a schedule: longer ones would take longer to play than anybody looks at the curve. */
const mostWorks = 2 ** 15;

/** By devices, up to those of the cluster; empty where there is nothing to compare. */
export function scalingCurve(scenario: TrainingScenario, model: CostModel): ScalingPoint[] {
  const parts = replicasOf(scenario).flatMap((dp) => {
    const strong = partOf(scenario, dp);
    return strong ? [{ strong, weak: { ...strong, microbatches: scenario.microbatches } }] : [];
  });
  if (parts.length < 2) return [];
  const predicted = parts.map(({ strong, weak }) => ({
    devices: worldSize(strong.layout),
    strong: stepOf(strong, model),
    weak: stepOf(weak, model),
  }));
  const first = predicted[0]!;
  return predicted.map(({ devices, strong, weak }) => {
    const times = devices / first.devices;
    return {
      devices,
      strong: { ...strong, ...scalingOf(times, strong.stepSeconds, first.strong.stepSeconds) },
      weak: { ...weak, ...scalingOf(times, weak.stepSeconds, first.weak.stepSeconds, times) },
    };
  });
}

/** Numbers of replicas, the layout's own last: evenly spread divisors of it. */
function replicasOf({ layout, microbatches }: TrainingScenario): number[] {
  const perMicrobatch = 2 * layout.pp * layout.virtual;
  const all = divisors(layout.dp)
    .filter((dp) => dp === layout.dp || perMicrobatch * microbatches * (layout.dp / dp) <= mostWorks)
    .sort((a, b) => a - b);
  if (all.length <= mostPoints) return all;
  const every = (all.length - 1) / (mostPoints - 1);
  return Array.from({ length: mostPoints }, (_, i) => all[Math.round(i * every)]!);
}

/** The same batch on so many replicas. */
function partOf(scenario: TrainingScenario, dp: number): TrainingScenario | undefined {
  const layout = { ...scenario.layout, dp };
  const cluster = partOfCluster(scenario.cluster, worldSize(layout));
  const microbatches = scenario.microbatches * (scenario.layout.dp / dp);
  return cluster && { ...scenario, layout, cluster, microbatches };
}

function stepOf(scenario: TrainingScenario, model: CostModel): Pick<ScalingStep, 'stepSeconds' | 'fits'> {
  const { stepSeconds, memory } = predictTraining(scenario, model);
  return { stepSeconds, fits: fits(memory, scenario.cluster.device) };
}
