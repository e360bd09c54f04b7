// What kernels and collectives cost: as measured where the machine was, else by the fitted models.
import type { CostModel } from '../training/costs.ts';
import { talkSeconds } from './collectives.ts';
import { kernelSeconds } from './kernels.ts';
import { measuredKernelSeconds, measuredTalkSeconds } from './measured/measured-costs.ts';

export const fittedCosts: CostModel = {
  kernelSeconds: (kernel, device, formats, conditions) =>
    device.measured
      ? measuredKernelSeconds(kernel, device.measured)
      : kernelSeconds(kernel, device, formats, conditions),
  talkSeconds: (talk, cluster) =>
    cluster.measured ? measuredTalkSeconds(talk, cluster.measured) : talkSeconds(talk, cluster),
};
