// What kernels and collectives cost, by the fitted models.
import { trafficBytes } from '../../mesh/traffic.ts';
import type { CostModel } from '../training/costs.ts';
import { kernelSeconds } from './kernels.ts';

export const fittedCosts: CostModel = {
  kernelSeconds,
  talkSeconds({ call, bytes, spread }, { tiers }) {
    const ranks = spread.reduce((a, b) => a * b, 1);
    if (ranks <= 1 && call !== 'send') return 0;
    let slowest = 0;
    for (const [i, count] of spread.entries()) if (count > 1) slowest = i;
    const { bytesPerSecond, latencySeconds } = tiers[slowest]!;
    return latencySeconds * ranks + trafficBytes(call, bytes, ranks) / (0.8 * bytesPerSecond);
  },
};
