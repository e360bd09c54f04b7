// The throughput-latency front: deployments and loads that none other beats in both.
import type { Loaded } from './task.ts';

/** By output tokens a second and device, and those a second of one request; the fastest for one request first. */
export function servingFront(points: readonly Loaded[]): Loaded[] {
  const sorted = points.toSorted(
    (a, b) =>
      a.prediction.secondsPerOutputToken.mean - b.prediction.secondsPerOutputToken.mean ||
      b.prediction.outputTokensPerSecondPerDevice - a.prediction.outputTokensPerSecondPerDevice,
  );
  let best = 0;
  return sorted.filter(({ prediction }) => {
    const beats = prediction.outputTokensPerSecondPerDevice > best;
    if (beats) best = prediction.outputTokensPerSecondPerDevice;
    return beats;
  });
}
