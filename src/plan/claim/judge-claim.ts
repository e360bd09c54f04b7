// Whether a claimed speed of training can be: what share of the peak it takes, and whether any layout reaches it.

import type { Cluster } from '../hardware/cluster.ts';
import { type NumberFormat, type ProductRate, rateOf } from '../hardware/number-format.ts';
import type { Found } from '../search/search.ts';
import type { StepTime } from '../training/scenario.ts';
import { type MeasuredShare, mostMeasured } from './most-measured.ts';
import type { ClaimedSpeed } from './parse-claim.ts';

/** Products of training that a device may have, the widest first. */
export const claimFormats = ['bf16', 'fp8', 'nvfp4'] as const satisfies readonly NumberFormat[];

/** A speed, where the model is known in tokens too. */
export interface Speed {
  readonly flopsPerSecondPerDevice?: number;
  readonly tokensPerSecondPerDevice?: number;
}

/** The share of the peak that a claim takes with products in a format. */
export interface Utilisation {
  readonly format: NumberFormat;
  readonly rate: ProductRate;
  readonly mfu: number;
  /** The largest that was measured. */
  readonly most: MeasuredShare;
}

/** `format`: that a claimed share of the peak is of. */
export function speedOf(
  claimed: ClaimedSpeed,
  { device, devices }: Cluster,
  { flopsPerToken, format }: { readonly flopsPerToken: number | undefined; readonly format: NumberFormat },
): Speed {
  const ofTokens = (tokensPerSecondPerDevice: number): Speed => ({
    tokensPerSecondPerDevice,
    ...(flopsPerToken === undefined ? {} : { flopsPerSecondPerDevice: tokensPerSecondPerDevice * flopsPerToken }),
  });
  const ofFlops = (flopsPerSecondPerDevice: number): Speed => ({
    flopsPerSecondPerDevice,
    ...(flopsPerToken === undefined ? {} : { tokensPerSecondPerDevice: flopsPerSecondPerDevice / flopsPerToken }),
  });
  switch (claimed.kind) {
    case 'tokensPerSecond':
      return ofTokens(claimed.value / devices);
    case 'tokensPerSecondPerDevice':
      return ofTokens(claimed.value);
    case 'flopsPerSecondPerDevice':
      return ofFlops(claimed.value);
    case 'mfu':
      return ofFlops(claimed.value * device.flopsPerSecond[rateOf[format]]!);
    case 'whole':
      return ofTokens(claimed.tokens / claimed.seconds / devices);
  }
}

/** Formats that the device has products in; `wanted`: that the claim is made for. */
export const formatsOf = ({ device }: Cluster, wanted: NumberFormat | undefined): NumberFormat[] =>
  [...new Set<NumberFormat>([...claimFormats, ...(wanted ? [wanted] : [])])].filter(
    (format) => device.flopsPerSecond[rateOf[format]] !== undefined,
  );

export const utilisationOf = (
  flopsPerSecondPerDevice: number,
  { device }: Cluster,
  format: NumberFormat,
): Utilisation => {
  const rate = rateOf[format];
  const mfu = flopsPerSecondPerDevice / device.flopsPerSecond[rate]!;
  return { format, rate, mfu, most: mostMeasured(device, rate) };
};

/** The largest number of parameters that a claim of tokens could be of: 6 FLOPs a parameter and token, attention not counted. */
export const mostParameters = (tokensPerSecondPerDevice: number, peak: number): number =>
  peak / (6 * tokensPerSecondPerDevice);

export const verdicts = ['impossible', 'beyond measured', 'out of reach', 'borderline', 'reachable', 'easy'] as const;
export type Verdict = (typeof verdicts)[number];

/** The predictions' own error: what is missed by less may be reached. */
const error = 0.1;
/** What is reached with so much to spare is easy. */
const spare = 0.25;

/**
 * In one format. `best`: the fastest layout, as predicted; undefined: none fits.
 * `impossible`: more than the peak; `beyond measured`: no more than predicted, or predicted so, but a larger share than anybody has measured.
 */
export function verdictOf({ mfu, most }: Utilisation, best: Found | undefined): Verdict {
  if (mfu > 1) return 'impossible';
  if (mfu > most.share) return 'beyond measured';
  if (!best) return 'out of reach';
  const share = best.prediction.mfu / mfu;
  if (share < 1 - error) return 'out of reach';
  if (share < 1) return 'borderline';
  return share < 1 + spare ? 'reachable' : 'easy';
}

/** What stands in the way of a claim that the best layout misses. */
export interface Obstacle {
  readonly kind: 'compute' | 'links' | 'memory' | 'waiting';
  /** Tokens a second and device with no more than the layout's kernels; undefined: nothing fits. */
  readonly ofComputeAlone?: number;
  /** Of the step. */
  readonly share?: number;
}

const talk = ['tp', 'cp', 'ep', 'dp', 'pp'] as const satisfies readonly (keyof StepTime)[];

/** Compute alone where its kernels take longer than the claim allows; else whatever more of the step is links or waiting. */
export function obstacleOf(claimedTokens: number, best: Found | undefined): Obstacle {
  if (!best) return { kind: 'memory' };
  const { time, stepSeconds, tokensPerSecondPerDevice } = best.prediction;
  const ofComputeAlone = (tokensPerSecondPerDevice * stepSeconds) / time.compute;
  if (ofComputeAlone < claimedTokens) return { kind: 'compute', ofComputeAlone, share: time.compute / stepSeconds };
  const links = talk.reduce((sum, cause) => sum + time[cause], 0);
  const waiting = time.bubble + time.launches + time.optimizer;
  return links >= waiting
    ? { kind: 'links', ofComputeAlone, share: links / stepSeconds }
    : { kind: 'waiting', ofComputeAlone, share: waiting / stepSeconds };
}
