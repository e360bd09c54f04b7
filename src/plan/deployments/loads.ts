// How many requests a deployment should have under way: as many as its objective gains by, within the targets.
import type { Deployed } from '../serving/deployed.ts';
import type { Deployment } from '../serving/scenario.ts';
import { steadyServing } from '../serving/steady-serving.ts';
import type { ServingObjective } from './objective.ts';
import { keepsTargets, type Loaded, type ServingTask } from './task.ts';

export interface TriedLoads {
  /** Undefined: it keeps the targets with no load. */
  readonly best?: Loaded;
  /** All loads that were looked at. */
  readonly points: readonly Loaded[];
}

/** The most requests that keep the targets are found up to this share of them. */
const nearEnough = 0.03;

/**
 * More requests under way are more tokens a second (at less joules each), and later ones: the most within the targets are found by doubling and
 * halving. One alone has the least latency.
 */
export function loadOf(
  { concurrency, targets }: ServingTask,
  objective: ServingObjective,
  deployment: Deployment,
  deployed: Deployed,
): TriedLoads {
  const points: Loaded[] = [];
  const at = (concurrency: number): Loaded => {
    const point = { deployment, concurrency, prediction: steadyServing(deployed, concurrency) };
    points.push(point);
    return point;
  };
  const only = concurrency ?? (objective === 'latency' ? 1 : undefined);
  if (only !== undefined) {
    const point = at(only);
    return { points, ...(keepsTargets(point.prediction, targets) ? { best: point } : {}) };
  }
  const { instances } = deployed.writers;
  let best: Loaded | undefined;
  let [next, tooMany] = [Math.min(instances, deployed.mostWritten), deployed.mostWritten + 1];
  while (next < tooMany) {
    const point = at(next);
    if (keepsTargets(point.prediction, targets)) best = point;
    else tooMany = next;
    if (!best) break;
    const [least, apart] = [best.concurrency, tooMany - best.concurrency];
    if (apart <= Math.max(instances, nearEnough * least)) break;
    // Doubled until there are too many, then halfway between.
    next = tooMany > deployed.mostWritten ? Math.min(2 * least, deployed.mostWritten) : least + Math.ceil(apart / 2);
  }
  return { points, ...(best ? { best } : {}) };
}
