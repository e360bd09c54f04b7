// Whether what a rank needs is there.
import type { Device } from '../hardware/device.ts';
import { kindsOfStages } from '../hardware/kinds.ts';
import type { TrainingMemory, TrainingPrediction, TrainingScenario } from './scenario.ts';

/** A process's own: the driver's context, loaded kernels, the links' channels. */
const contextBytes = 1.5 * 2 ** 30;

export const usableBytes = ({ memoryBytes, measured }: Device): number => memoryBytes - (measured ? 0 : contextBytes);

/** What is put in the host's memory, if anything is. */
export const fitsHost = ({ host }: Pick<TrainingPrediction, 'host'>): boolean => !host || host.bytes <= host.room;

export const fits = ({ total }: TrainingMemory, device: Device): boolean => total <= usableBytes(device);

/** Every stage on every kind of device that its ranks are on. */
export function fitsOnDevices({ cluster, layout }: TrainingScenario, { memoryByStage }: TrainingPrediction): boolean {
  const kinds = kindsOfStages(cluster, layout);
  return memoryByStage.every((memory, stage) => kinds[stage]!.every((device) => fits(memory, device)));
}

/** Of the stage that lacks most; 0: every stage fits. */
export function missingBytes(
  { cluster, layout }: Pick<TrainingScenario, 'cluster' | 'layout'>,
  { memoryByStage }: TrainingPrediction,
): number {
  const kinds = kindsOfStages(cluster, layout);
  const missing = memoryByStage.flatMap(({ total }, stage) =>
    kinds[stage]!.map((device) => total - usableBytes(device)),
  );
  return Math.max(0, ...missing);
}

/** And what is on the host. */
export const fitsAll = (scenario: TrainingScenario, prediction: TrainingPrediction): boolean =>
  fitsOnDevices(scenario, prediction) && fitsHost(prediction);
