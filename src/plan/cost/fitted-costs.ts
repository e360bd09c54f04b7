// What kernels and collectives cost: as measured where the machine was, else by the fitted models, and by what a cluster's runs say of them.
import type { CostModel } from '../training/costs.ts';
import { calibratedCosts } from './calibrated-costs.ts';
import { talkSeconds } from './collectives.ts';
import { kernelSeconds } from './kernels.ts';
import { measuredKernelSeconds, measuredPace, measuredTalkSeconds } from './measured/measured-costs.ts';

export const fittedCosts: CostModel = calibratedCosts({
  kernelSeconds: (kernel, device, formats, conditions) =>
    device.measured
      ? measuredKernelSeconds(kernel, device.measured)
      : kernelSeconds(kernel, device, formats, conditions),
  talkSeconds: (talk, cluster) =>
    cluster.measured ? measuredTalkSeconds(talk, cluster.measured.talk) : talkSeconds(talk, cluster),
  pace: (meetings, { measured }) => (measured ? measuredPace(meetings, measured) : 1),
});
