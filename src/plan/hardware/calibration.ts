// What a cluster's own runs say of it: by how much its work takes longer (or shorter) than models of its devices and links expect.
import { z } from 'zod';

/** Of each kind of work the seconds over those that were expected. */
export const calibrated = ['products', 'memory', 'node', 'network'] as const;
/** Products and attention; kernels bound by memory; collectives within a node, and over nodes. */
export type CalibratedWork = (typeof calibrated)[number];
export type Calibration = Readonly<Record<CalibratedWork, number>>;

export const uncalibrated: Calibration = { products: 1, memory: 1, node: 1, network: 1 };

const factor = z.number().min(0.05).max(20);
/** As a cluster file has it: what is not there is as expected. */
export const calibrationSchema = z.strictObject({
  products: factor.default(1),
  memory: factor.default(1),
  node: factor.default(1),
  network: factor.default(1),
  /** What it was fitted to, for people. */
  source: z.string().max(200).optional(),
});
