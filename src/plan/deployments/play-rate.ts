// A deployment under requests that come at random, so many a second: what it takes to answer them.
import type { Deployed } from '../serving/deployed.ts';
import type { ServingCosts } from '../serving/iteration.ts';
import { servingPredictor } from '../serving/predict-serving.ts';
import type { Deployment, Pool, ServingPrediction } from '../serving/scenario.ts';
import { steadyServing } from '../serving/steady-serving.ts';
import type { DeployFor } from './instances.ts';
import type { ServingTask } from './task.ts';

/** Requests that are played, over those under way at any time; and bounds of them. */
const timesUnderWay = 6;
const [fewestPlayed, mostPlayed] = [400, 8000];

/**
 * Alike parts of a deployment are played once: a dispatcher over all of them would do a little better. The rates are those of a load that goes on,
 * without the beginning and the end of the play: what comes, or what the deployment can do at most.
 */
export function playRate(
  task: ServingTask,
  costs: ServingCosts,
  deployFor: DeployFor,
  { deployment, requestsPerSecond }: { readonly deployment: Deployment; readonly requestsPerSecond: number },
): ServingPrediction {
  const { part, parts } = partOf(deployment);
  const deployed = deployFor(part);
  const rate = requestsPerSecond / parts;
  const underWay = rate * secondsOfRequest(deployed, rate);
  const requests = Math.round(Math.min(mostPlayed, Math.max(fewestPlayed, timesUnderWay * underWay)));
  const load = { kind: 'poisson', requestsPerSecond: rate, requests, seed: 1 } as const;
  const prediction = servingPredictor(costs)({ ...task, deployment: part, load });
  if (!prediction.fits) return { ...prediction, devices: prediction.devices * parts };
  const most = steadyServing(deployed, deployed.mostWritten).requestsPerSecond;
  return ofAll(prediction, parts, Math.min(rate, most) * parts);
}

function ofAll(prediction: ServingPrediction, parts: number, requestsPerSecond: number): ServingPrediction {
  const perRequest = prediction.outputTokensPerSecond / prediction.requestsPerSecond;
  const outputTokensPerSecond = perRequest * requestsPerSecond;
  const devices = prediction.devices * parts;
  return {
    ...prediction,
    devices,
    requestsPerSecond,
    outputTokensPerSecond,
    outputTokensPerSecondPerDevice: outputTokensPerSecond / devices,
    goodRequestsPerSecond: keptShareOf(prediction) * requestsPerSecond,
  };
}

/** Of requests, those that kept both targets. */
export const keptShareOf = ({ goodRequestsPerSecond = 0, requestsPerSecond }: ServingPrediction): number =>
  goodRequestsPerSecond / requestsPerSecond;

/** On average, about. */
function secondsOfRequest(deployed: Deployed, rate: number): number {
  const alone = steadyServing(deployed, 1).secondsOfRequest.mean;
  return steadyServing(deployed, Math.max(1, rate * alone)).secondsOfRequest.mean;
}

function partOf(deployment: Deployment): { readonly part: Deployment; readonly parts: number } {
  const cut = (pool: Pool, parts: number): Pool => ({ ...pool, instances: pool.instances / parts });
  if (deployment.kind === 'aggregated') {
    const parts = deployment.pool.instances;
    return { part: { kind: 'aggregated', pool: cut(deployment.pool, parts) }, parts };
  }
  const { prefill, decode } = deployment;
  const parts = greatestDivisor(prefill.instances, decode.instances);
  return { part: { kind: 'disaggregated', prefill: cut(prefill, parts), decode: cut(decode, parts) }, parts };
}

function greatestDivisor(a: number, b: number): number {
  while (b > 0) [a, b] = [b, a % b];
  return a;
}
