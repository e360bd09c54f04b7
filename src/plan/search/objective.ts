// What the best layout is the least of. Each grows with the seconds of a step, with those of its kernels and with memory, so that bounds of these bound it.
import { worldSize } from '../../mesh/mesh.ts';
import type { Cluster } from '../hardware/cluster.ts';
import type { TrainingPrediction, TrainingScenario } from '../training/scenario.ts';

export const objectiveNames = ['time', 'cost', 'energy', 'memory'] as const;
export type ObjectiveName = (typeof objectiveNames)[number];

/** Of a step, predicted or at least. */
export interface StepFigures {
  readonly stepSeconds: number;
  /** Of kernels of the stage that works longest. */
  readonly computeSeconds: number;
  /** Bytes of a rank of the fullest stage. */
  readonly memoryBytes: number;
}

export const figuresOf = ({ stepSeconds, time, memory }: TrainingPrediction): StepFigures => ({
  stepSeconds,
  computeSeconds: time.compute,
  memoryBytes: memory.total,
});

/** Less is better. On as many devices cost and time are in proportion. */
export function objectiveValue(objective: ObjectiveName, { device }: Cluster, figures: StepFigures): number {
  switch (objective) {
    case 'time':
    case 'cost':
      return figures.stepSeconds;
    case 'energy':
      return joules(device.watts, figures);
    case 'memory':
      return figures.memoryBytes;
  }
}

/**
 * Of its board's power, what a device takes that waits or talks: DGX H100 takes 10.2 kW at most and 2.6 to 3 kW idle with its processes loaded,
 * and links and memory are at work meanwhile. No measurements of training are behind this number.
 */
export const idleShare = 0.45;

/** Of one device in a step. */
const joules = (watts: number, { stepSeconds, computeSeconds }: StepFigures): number =>
  watts * (idleShare * stepSeconds + (1 - idleShare) * computeSeconds);

/** What tokens take on a whole cluster. */
export interface TokenCosts {
  /** Undefined where nobody rents out the device. */
  readonly dollarsPerMillionTokens?: number;
  readonly joulesPerToken: number;
}

export function tokenCosts(
  { cluster: { device }, layout, seqLen, microBatch, microbatches }: TrainingScenario,
  prediction: TrainingPrediction,
): TokenCosts {
  const tokens = seqLen * microBatch * microbatches * layout.dp * layout.ep;
  const devices = worldSize(layout);
  const dollars = device.dollarsPerHour;
  return {
    ...(dollars === undefined
      ? {}
      : { dollarsPerMillionTokens: (((devices * dollars * prediction.stepSeconds) / 3600) * 1e6) / tokens }),
    joulesPerToken: (devices * joules(device.watts, figuresOf(prediction))) / tokens,
  };
}
