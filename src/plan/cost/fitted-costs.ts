// What kernels and collectives cost, by the fitted models.
import { trafficBytes } from '../../mesh/traffic.ts';
import { formatBytes, rateOf } from '../hardware/number-format.ts';
import type { CostModel } from '../training/costs.ts';

export const fittedCosts: CostModel = {
  kernelSeconds(kernel, device, { products, activations }) {
    const rate = (device.flopsPerSecond[rateOf[products]] ?? 0) * 0.65;
    const attention = (device.flopsPerSecond[rateOf[activations]] ?? 0) * 0.45;
    const bytes = formatBytes[activations];
    const launch = 3e-6;
    switch (kernel.kind) {
      case 'matmul':
        return launch + (2 * kernel.batch * kernel.m * kernel.n * kernel.k) / rate;
      case 'grouped':
        return launch + (2 * kernel.rows * kernel.n * kernel.k) / rate;
      case 'attention':
        return (
          launch +
          (kernel.batch * kernel.heads * kernel.scores * (kernel.pass === 'forward' ? 4 : 10) * kernel.headDim) /
            attention
        );
      case 'memory':
        return launch + (kernel.floats * bytes + kernel.bytes) / (0.8 * device.memoryBytesPerSecond);
    }
  },
  talkSeconds({ call, bytes, spread }, { tiers }) {
    const ranks = spread.reduce((a, b) => a * b, 1);
    if (ranks <= 1 && call !== 'send') return 0;
    let slowest = 0;
    for (const [i, count] of spread.entries()) if (count > 1) slowest = i;
    const { bytesPerSecond, latencySeconds } = tiers[slowest]!;
    return latencySeconds * ranks + trafficBytes(call, bytes, ranks) / (0.8 * bytesPerSecond);
  },
};
