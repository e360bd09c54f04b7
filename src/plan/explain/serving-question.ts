// What a deployment is asked for, the most of a cluster or a rate on the fewest devices: the best ones, and what a given one comes to.
import { deployedDevices } from '../deployments/deployment-text.ts';
import { fewestDevices, keptShare } from '../deployments/fewest.ts';
import { deployer } from '../deployments/instances.ts';
import { loadOf } from '../deployments/loads.ts';
import { type ServingObjective, servingValue } from '../deployments/objective.ts';
import { keptShareOf, playRate } from '../deployments/play-rate.ts';
import { type SearchingDeployments, searchDeployments } from '../deployments/search.ts';
import type { Loaded, ServingTask } from '../deployments/task.ts';
import type { ServingCosts } from '../serving/iteration.ts';
import type { Deployment } from '../serving/scenario.ts';

export interface ServingQuestion {
  readonly objective: ServingObjective;
  /** The fewest devices are asked for that answer so many. */
  readonly requestsPerSecond?: number;
}

/** The best first, each with its load; empty where none keeps the targets. */
export function* bestDeployments(
  task: ServingTask,
  costs: ServingCosts,
  { objective, requestsPerSecond }: ServingQuestion,
  top: number,
): Generator<SearchingDeployments, readonly Loaded[], void> {
  if (requestsPerSecond !== undefined) return yield* fewestDevices(task, costs, { requestsPerSecond, top });
  return (yield* searchDeployments(task, costs, { objective, top })).found;
}

export interface LoadedDeployment {
  /** With the load that serves the question; undefined: it has no room, or keeps the targets with none. */
  readonly best?: Loaded;
  /** All loads that were looked at. */
  readonly points: readonly Loaded[];
}

/** One deployment under the load that the searches would give it. */
export function loadDeployment(
  task: ServingTask,
  costs: ServingCosts,
  { objective, requestsPerSecond }: ServingQuestion,
  deployment: Deployment,
): LoadedDeployment {
  const deployFor = deployer(task, costs);
  const deployed = deployFor(deployment);
  const none = deployed.writers.instance.room === 0 || deployed.readers?.instance.room === 0;
  if (none || deployedDevices(deployment) > task.cluster.devices) return { points: [] };
  if (requestsPerSecond === undefined) return loadOf(task, objective, deployment, deployed);
  const prediction = playRate(task, costs, deployFor, { deployment, requestsPerSecond });
  const concurrency = requestsPerSecond * prediction.secondsOfRequest.mean;
  const best = { deployment, concurrency, prediction };
  return { points: [], ...(keptShareOf(prediction) >= keptShare ? { best } : {}) };
}

/** Less is better. */
export const questionValue = (
  { objective, requestsPerSecond }: ServingQuestion,
  { prediction: { devices, outputTokensPerSecond, secondsPerOutputToken } }: Loaded,
): number =>
  requestsPerSecond === undefined
    ? servingValue(objective, { outputTokensPerSecond, secondsPerOutputToken: secondsPerOutputToken.mean })
    : devices;
