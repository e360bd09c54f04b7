// Seconds and bytes of serving a model: the one function that everything else asks.
import { fittedCosts } from '../cost/fitted-costs.ts';
import { kernelSeconds } from '../cost/kernels.ts';
import { deploy } from './deployed.ts';
import { engineTimes, routingSkew } from './engine-times.ts';
import { withoutRoom } from './explained.ts';
import type { ServingCosts } from './iteration.ts';
import { playedServing } from './played-serving.ts';
import type { ServingPrediction, ServingScenario } from './scenario.ts';
import { steadyServing } from './steady-serving.ts';

export type PredictServing = (scenario: ServingScenario) => ServingPrediction;

/** Predictions with these costs of kernels, collectives and engines. */
export const servingPredictor =
  (costs: ServingCosts): PredictServing =>
  (scenario) => {
    const deployed = deploy(scenario, costs);
    const { readers, writers, devices, lengths } = deployed;
    for (const pool of [readers, writers])
      if (pool?.instance.room === 0) return withoutRoom(pool.instance, devices, lengths);
    return scenario.load.kind === 'saturated'
      ? steadyServing(deployed, deployed.mostWritten)
      : playedServing(deployed, scenario);
  };

/** By the fitted models of kernels, collectives and engines. */
export const fittedServing: ServingCosts = { ...fittedCosts, kernelSeconds, engineTimes, routingSkew };

/**
 * Serving a load on a cluster. A load that goes on for ever (`saturated`) is worked out by arithmetic, as means; all others are played request
 * by request, with percentiles. What does not fit is no error: the prediction says so, and what is short.
 */
export const predictServing: PredictServing = servingPredictor(fittedServing);
