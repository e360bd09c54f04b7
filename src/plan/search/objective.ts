// What the best layout is the least of. Each grows with the seconds of a step, with those of its kernels and with memory, so that bounds of these bound it.
import { worldSize } from '../../mesh/mesh.ts';
import type { Cluster } from '../hardware/cluster.ts';
import { sumOfDevices } from '../hardware/kinds.ts';
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

/** The same but for what is said. Seconds of kernels are asked for where energy is what counts. */
export const betterKnown = (figures: StepFigures, stepSeconds: number, memoryBytes: number): StepFigures => ({
  stepSeconds,
  memoryBytes,
  get computeSeconds() {
    return figures.computeSeconds;
  },
});

export const figuresOf = ({ stepSeconds, time, memory }: TrainingPrediction): StepFigures => ({
  stepSeconds,
  computeSeconds: time.compute,
  memoryBytes: memory.total,
});

/** Less is better. On as many devices cost and time are in proportion. */
export function objectiveValue(objective: ObjectiveName, cluster: Cluster, figures: StepFigures): number {
  switch (objective) {
    case 'time':
    case 'cost':
      return figures.stepSeconds;
    case 'energy':
      return joules(meanWatts(cluster), figures);
    case 'memory':
      return figures.memoryBytes;
  }
}

/**
 * Of its board's power, what a device takes that waits or talks. Training took at most 8.4 kW of a node of eight H100 rated 10.2 kW (Latif et al.,
 * arXiv 2412.08602), which leaves its GPUs at their 700 W while they compute; idle with its processes loaded it takes 2.6 to 3 kW, and links and
 * memory are at work meanwhile: the share itself was not measured.
 */
export const idleShare = 0.45;

/** NaN where that of one of them is not known. */
const meanWatts = (cluster: Cluster): number =>
  sumOfDevices(cluster, ({ watts }) => watts ?? Number.NaN) / cluster.devices;

/** Of one device in a step. */
const joules = (watts: number, { stepSeconds, computeSeconds }: StepFigures): number =>
  watts * (idleShare * stepSeconds + (1 - idleShare) * computeSeconds);

/** What tokens take on a whole cluster. */
export interface TokenCosts {
  /** Undefined where nobody rents out the device. */
  readonly dollarsPerMillionTokens?: number;
  /** Undefined where it is not known what the device takes. */
  readonly joulesPerToken?: number;
}

export function tokenCosts(
  { cluster, layout, seqLen, microBatch, microbatches }: TrainingScenario,
  prediction: TrainingPrediction,
): TokenCosts {
  const tokens = seqLen * microBatch * microbatches * layout.dp * layout.ep;
  const devices = worldSize(layout);
  // NaN where nobody rents one of them out.
  const dollars = sumOfDevices(cluster, (each) => each.dollarsPerHour ?? Number.NaN) / cluster.devices;
  const watts = meanWatts(cluster);
  return {
    ...(Number.isNaN(dollars)
      ? {}
      : { dollarsPerMillionTokens: (((devices * dollars * prediction.stepSeconds) / 3600) * 1e6) / tokens }),
    ...(Number.isNaN(watts) ? {} : { joulesPerToken: (devices * joules(watts, figuresOf(prediction))) / tokens }),
  };
}
