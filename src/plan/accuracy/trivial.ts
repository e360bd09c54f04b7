// Stand-ins until predictions are there.
import type { TrainingPrediction, TrainingScenario } from '../training/scenario.ts';
import { modelFlops } from './measured.ts';

export function trivialTraining(scenario: TrainingScenario): TrainingPrediction {
  const peak = scenario.cluster.device.flopsPerSecond.bf16!;
  const stepSeconds = modelFlops(scenario) / peak / 0.45;
  const memory = { weights: 0, gradients: 0, optimizer: 0, activations: 0, buffers: 0, total: 1e9 };
  return {
    stepSeconds,
    time: { compute: stepSeconds, tp: 0, cp: 0, ep: 0, dp: 0, pp: 0, bubble: 0, optimizer: 0 },
    memory,
    memoryByStage: [memory],
    tokensPerSecondPerDevice: 0,
    modelFlopsPerSecondPerDevice: 0,
    mfu: 0,
  };
}
