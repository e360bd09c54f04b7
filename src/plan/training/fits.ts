// Whether what a rank needs is there.
import type { Device } from '../hardware/device.ts';
import type { TrainingMemory, TrainingPrediction } from './scenario.ts';

/** A process's own: the driver's context, loaded kernels, the links' channels. */
const contextBytes = 1.5 * 2 ** 30;

export const usableBytes = ({ memoryBytes, measured }: Device): number => memoryBytes - (measured ? 0 : contextBytes);

/** What is put in the host's memory, if anything is. */
export const fitsHost = ({ host }: Pick<TrainingPrediction, 'host'>): boolean => !host || host.bytes <= host.room;

export const fits = ({ total }: TrainingMemory, device: Device): boolean => total <= usableBytes(device);
