// What kernels cost at least that are not traced.
import type { Cluster } from '../hardware/cluster.ts';
import type { CostModel } from '../training/costs.ts';

/**
 * On a machine that was measured every op that memory bounds has costs of its own, and so have products that add to what there is: of sizes alone it is
 * not known whose they are.
 */
export function leastCosts(model: CostModel, { device }: Cluster): CostModel {
  if (!device.measured) return model;
  return {
    ...model,
    kernelSeconds(kernel, ...rest) {
      if (kernel.kind === 'memory') return 0;
      if (kernel.kind !== 'matmul') return model.kernelSeconds(kernel, ...rest);
      const { accumulates: _, ...alone } = kernel;
      return Math.min(
        model.kernelSeconds(alone, ...rest),
        model.kernelSeconds({ ...alone, accumulates: true }, ...rest),
      );
    },
  };
}
