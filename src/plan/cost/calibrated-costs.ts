// Costs of a cluster that was calibrated: those of the models, by what its own runs say of each kind of work.
import type { CostModel } from '../training/costs.ts';

export const calibratedCosts = (model: CostModel): CostModel => ({
  ...model,
  kernelSeconds(kernel, device, formats, conditions) {
    const seconds = model.kernelSeconds(kernel, device, formats, conditions);
    if (!device.calibration) return seconds;
    return seconds * device.calibration[kernel.kind === 'memory' ? 'memory' : 'products'];
  },
  talkSeconds(talk, cluster) {
    const seconds = model.talkSeconds(talk, cluster);
    const { calibration } = cluster.device;
    if (!calibration) return seconds;
    const isOverNodes = talk.spread.slice(1).some((ranks) => ranks > 1);
    return seconds * calibration[isOverNodes ? 'network' : 'node'];
  },
});
