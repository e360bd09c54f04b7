// A device and costs that are simple enough to check by hand: a roofline, and links without protocols.
import { trafficBytes } from '../../mesh/traffic.ts';
import { parseCluster } from '../hardware/cluster-name.ts';
import type { EngineTimes } from './engines.ts';
import type { ServingCosts } from './iteration.ts';
import type { ServingFormats } from './scenario.ts';

export const cluster = parseCluster('8xh100-sxm');
export const { device } = cluster;
export const plainFormats: ServingFormats = { weights: 'bf16', cache: 'bf16', activations: 'bf16' };

const noTime: EngineTimes = {
  iterationSeconds: 0,
  requestSeconds: 0,
  kernelSeconds: 0,
  launchSeconds: 0,
  answerSeconds: 0,
  promptTokenSeconds: 0,
  reduceSeconds: 0,
  experts: 1,
  narrowExperts: 1,
  widenedExperts: 1,
  prompts: 1,
};

/** Peak rates, two bytes a number, and no time that is an engine's. */
export const roofline: ServingCosts = {
  kernelSeconds: (kernel, { flopsPerSecond, memoryBytesPerSecond }) => {
    const seconds = (flops: number, numbers: number) =>
      Math.max(flops / flopsPerSecond.bf16!, (2 * numbers) / memoryBytesPerSecond);
    switch (kernel.kind) {
      case 'matmul': {
        const { batch, m, n, k } = kernel;
        return seconds(2 * batch * m * n * k, batch * (m * k + k * n + m * n));
      }
      case 'grouped': {
        const { groups, rows, n, k } = kernel;
        return seconds(2 * rows * n * k, groups * k * n + rows * (n + k));
      }
      case 'attention': {
        const { batch, heads, kvHeads, headDim, valueDim, keys, scores } = kernel;
        const dims = headDim + valueDim;
        return seconds(2 * batch * heads * scores * dims, batch * kvHeads * keys * dims);
      }
      case 'memory':
        return (2 * kernel.floats + kernel.bytes) / memoryBytesPerSecond;
    }
  },
  talkSeconds: ({ call, bytes, spread }, { tiers }) =>
    trafficBytes(
      call,
      bytes,
      spread.reduce((a, b) => a * b, 1),
    ) / tiers[0]!.bytesPerSecond,
  engineTimes: { trtllm: noTime, vllm: noTime, sglang: noTime },
  routingSkew: 0,
};
