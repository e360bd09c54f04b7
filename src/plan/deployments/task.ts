// What a search for the best way to serve a model is asked, and what it finds.
import type { InstanceSetting } from '../serving/instance.ts';
import type { Deployment, RequestLengths, ServingPrediction, Speculation } from '../serving/scenario.ts';

/** Means of all requests that a deployment has to keep to. */
export interface LatencyTargets {
  readonly secondsToFirstToken: number;
  readonly secondsPerOutputToken: number;
}

export interface ServingTask extends InstanceSetting {
  readonly lengths: RequestLengths;
  readonly targets: LatencyTargets;
  /** Requests under way over all devices; undefined: as many as serve the objective within the targets. */
  readonly concurrency?: number;
  readonly speculation?: Speculation;
}

/** A deployment with so many requests under way. */
export interface Loaded {
  readonly deployment: Deployment;
  readonly concurrency: number;
  readonly prediction: ServingPrediction;
}

export const keepsTargets = (
  { secondsToFirstToken, secondsPerOutputToken }: ServingPrediction,
  targets: LatencyTargets,
): boolean =>
  secondsToFirstToken.mean <= targets.secondsToFirstToken &&
  secondsPerOutputToken.mean <= targets.secondsPerOutputToken;
