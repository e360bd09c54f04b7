// What a device is to the planner: its rates, its memory and what it costs.
import type { Calibration } from './calibration.ts';
import type { MeasuredKernels } from './measured-machine.ts';
import type { ProductRate } from './number-format.ts';

export const architectures = [
  'volta',
  'ampere',
  'ada',
  'hopper',
  'blackwell',
  /** B300 and GB300: exponentials at twice the rate. */
  'blackwell-ultra',
  /** Graphics cards: the tensor cores of their predecessors. */
  'blackwell-rtx',
  'cdna3',
  'tpu',
  'cpu',
] as const;
export type Architecture = (typeof architectures)[number];

export interface Device {
  /** As clusters and the command line name it, e.g. `h100-sxm`. */
  readonly name: string;
  readonly title: string;
  readonly architecture: Architecture;
  readonly memoryBytes: number;
  readonly memoryBytesPerSecond: number;
  /** Peak FLOP/s of dense products; a rate that is missing is none it has. */
  readonly flopsPerSecond: Readonly<Partial<Record<ProductRate, number>>>;
  /** Streaming multiprocessors, compute units or cores: what tiles of a product are dealt out to. */
  readonly multiprocessors: number;
  /** On-chip cache that all of them share. */
  readonly cacheBytes: number;
  /** Of its board, at most; undefined: not known. */
  readonly watts?: number;
  /** Of one device in a rented node; undefined: nobody rents it out. */
  readonly dollarsPerHour?: number;
  /** To its host, one direction. */
  readonly hostBytesPerSecond: number;
  /** Where the figures are from. */
  readonly source: string;
  /** What its kernels cost, where that was measured: a core of this machine. */
  readonly measured?: MeasuredKernels;
  /** By how much its work takes longer than is expected of it and its links, where its owner's runs said so. */
  readonly calibration?: Calibration;
}
