// Seconds and bytes of serving a model: the one function that everything else asks.
import type { ServingPrediction, ServingScenario } from './scenario.ts';

export type PredictServing = (scenario: ServingScenario) => ServingPrediction;
