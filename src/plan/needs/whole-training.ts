// What it takes to train on so many tokens, in all.
import { tokensPerStep } from '../../step/settings.ts';
import { tokenCosts } from '../search/objective.ts';
import { stepSettings } from '../training/predict-training.ts';
import type { TrainingPrediction, TrainingScenario } from '../training/scenario.ts';

export interface WholeTraining {
  readonly tokens: number;
  readonly steps: number;
  /** Without interruptions. */
  readonly seconds: number;
  readonly devices: number;
  readonly deviceHours: number;
  /** Undefined where nobody rents out the device. */
  readonly dollars?: number;
  /** Undefined where it is not known what the device takes. */
  readonly joules?: number;
}

export function wholeTraining(
  scenario: TrainingScenario,
  prediction: TrainingPrediction,
  tokens: number,
): WholeTraining {
  const steps = tokens / tokensPerStep(stepSettings(scenario));
  const seconds = steps * prediction.stepSeconds;
  const { devices } = scenario.cluster;
  const { dollarsPerMillionTokens, joulesPerToken } = tokenCosts(scenario, prediction);
  return {
    tokens,
    steps: Math.ceil(steps),
    seconds,
    devices,
    deviceHours: (seconds * devices) / 3600,
    ...(dollarsPerMillionTokens === undefined ? {} : { dollars: (dollarsPerMillionTokens * tokens) / 1e6 }),
    ...(joulesPerToken === undefined ? {} : { joules: joulesPerToken * tokens }),
  };
}
