// What was measured of one machine, whose ranks are threads: what parts of its kernels cost, and what calls between ranks take.
import type { CollectiveOp } from '../../mesh/traffic.ts';

/** Seconds of each of the amounts of `amounts.ts`, in their order, while all cores are at work: of medians. */
export type Costs = readonly number[];

export const productNames = ['product', 'accumulated', 'grouped', 'grouped weights', 'forward', 'backward'] as const;
export type ProductName = (typeof productNames)[number];

export interface MeasuredKernels {
  /** Of products and of attention, which is products and exponentials. */
  readonly products: Readonly<Record<ProductName, Costs>>;
  /** Of all other ops, by name. */
  readonly memory: Readonly<Record<string, Costs>>;
  /** Of those that were not measured. */
  readonly others: Costs;
}

/** Of calls between so many ranks, by collective: seconds by bytes (as `trafficBytes` takes them), fewest first. */
export interface MeasuredTalk {
  readonly ranks: number;
  readonly seconds: Readonly<Record<CollectiveOp, readonly (readonly [bytes: number, seconds: number])[]>>;
}

/**
 * Time of all ranks at work that meet every so many seconds, over what their kernels cost: at least 1, shortest first. What holds a rank up now and then is
 * no part of its kernels' medians, and where ranks meet all wait for the one that was held up.
 */
export type MeasuredPace = readonly (readonly [secondsBetween: number, over: number])[];

export interface MeasuredMachine {
  /** Of its processor. */
  readonly title: string;
  /** That were measured: all there are, unless memory is too short for a rank on each. */
  readonly cores: number;
  readonly memoryBytes: number;
  readonly kernels: MeasuredKernels;
  /** Time of a step where one rank works alone, over that while ranks work on all cores. */
  readonly alone: number;
  readonly pace: MeasuredPace;
  /** Time of a rank's work while others wait, as stages of a pipeline do, over that while ranks work on all cores: with less to share, just woken. */
  readonly turns: number;
  /** By group size; none where there is one core. */
  readonly talk: readonly MeasuredTalk[];
}
