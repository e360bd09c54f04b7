// The kernel model's numbers of every architecture: fitted ones, and of those that no table has, their nearest's.
import type { Architecture } from '../hardware/device.ts';
import { fittedKernels } from './fitted-kernels.ts';
import type { KernelParameters } from './kernel-parameters.ts';

const { ampere, hopper } = fittedKernels;

/** Another architecture's, with products that reach another share of the peak. */
const like = (parameters: KernelParameters, share: number, others?: Partial<KernelParameters>): KernelParameters => {
  const { bf16, fp8, mxfp8, nvfp4 } = parameters.products;
  const products = {
    bf16: { ...bf16, share },
    fp8: { ...fp8, share },
    mxfp8: { ...mxfp8, share },
    nvfp4: { ...nvfp4, share },
  };
  return { ...parameters, ...others, products };
};

/** Architectures without tables have what their nearest has, and the best share of their peak that was published. */
export const kernelParameters: Readonly<Record<Architecture, KernelParameters>> = {
  ...fittedKernels,
  volta: ampere,
  /** MI300X: 668 of 1,307 TFLOP/s (stas00/ml-engineering, maximum achievable matmul FLOPS; CC BY-SA 4.0). */
  cdna3: like(hopper, 0.52, { attentionShare: 0.52 }),
  /** Not measured: its arrays are few and large, and its compiler fuses what stands around products. */
  tpu: like(hopper, 0.85, { attentionShare: 0.7 }),
  /** Not measured here: a device's rate is what its cores were found to do (calibration). */
  cpu: like(ampere, 0.92, { copiesTiles: true }),
};
