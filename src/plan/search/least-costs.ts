// What kernels cost at least that are not traced: of sizes alone it is not known all that decides it.
import type { Cluster } from '../hardware/cluster.ts';
import type { CostModel } from '../training/costs.ts';

/**
 * Gradients of weights are added to sums, or made alone where ZeRO shares them out. On a machine that was measured every op that memory
 * bounds has costs of its own.
 */
export function leastCosts(model: CostModel, { device }: Cluster): CostModel {
  return {
    ...model,
    kernelSeconds(kernel, ...rest) {
      if (kernel.kind === 'memory' && device.measured) return 0;
      if (kernel.kind !== 'matmul') return model.kernelSeconds(kernel, ...rest);
      const { accumulates, ...alone } = kernel;
      if (!accumulates && !device.measured) return model.kernelSeconds(kernel, ...rest);
      return Math.min(
        model.kernelSeconds(alone, ...rest),
        model.kernelSeconds({ ...alone, accumulates: true }, ...rest),
      );
    },
  };
}
