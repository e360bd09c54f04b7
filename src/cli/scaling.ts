// What `scale` finds out of a layout, and the arithmetic of it.
import type { Layout } from '../mesh/layout.ts';
import type { Axis } from '../mesh/mesh.ts';
import type { Scaling } from '../plan/scaling.ts';
import { play } from '../schedule/play.ts';
import { scheduleOf } from '../schedule/schedules.ts';

/** Axes that are scaled, each alone. */
export const scaledAxes = ['dp', 'tp', 'cp', 'ep', 'pp'] as const satisfies readonly Axis[];

/** A layout and what was measured of it. */
export interface ScaleResult extends Scaling {
  readonly axis: (typeof scaledAxes)[number];
  readonly ranks: number;
  readonly layout: string;
  /** Median of all timed steps of all repeats. */
  readonly stepSeconds: number;
  /** Of the ranks' time, inside collectives and messages, waiting for others included. */
  readonly communicationShare: number;
  readonly imbalance: number;
  /** The efficiency that a pipeline's empty places allow, were all its work equally long; 1 without one. */
  readonly allowedEfficiency: number;
  /** Of a pipeline's stages, from a step's first work to its last, where it was measured: median of all timed steps. */
  readonly idleShare?: number;
  /** What of it the schedule has by itself, with work as long as it was measured to be. */
  readonly playedIdleShare?: number;
  /** What `estimateStep` says of the layout, calibrated by the run on one rank. */
  readonly estimatedSeconds: number;
  /** FLOP/s of the step, of those of so many ranks that do nothing but multiply matrices. */
  readonly matrixShare: number;
}

/** A forward takes as long as each of the two gradients. */
const alikeSeconds = { forward: 1, backward: 2, inputGradient: 1, weightGradient: 1 } as const;

export const allowedEfficiency = (layout: Layout, microbatches: number): number =>
  1 - play(scheduleOf(layout, microbatches), { workSeconds: (_, { kind }) => alikeSeconds[kind] }).bubbleFraction;

/** How much longer the busiest rank computes than the average one: 0 when all have equal work. */
export function imbalance(computeSeconds: readonly number[]): number {
  const mean = computeSeconds.reduce((sum, each) => sum + each, 0) / computeSeconds.length;
  return mean > 0 ? Math.max(...computeSeconds) / mean - 1 : 0;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Numbers of ranks to run: all of them up to 8, then doubling, and the largest. */
export function rankCounts(most: number): number[] {
  const counts = Array.from({ length: Math.min(most, 8) }, (_, i) => i + 1);
  for (let next = 16; next < most; next *= 2) counts.push(next);
  if (most > 8) counts.push(most);
  return counts;
}
