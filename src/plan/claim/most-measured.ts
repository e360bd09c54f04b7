// The largest shares of a device's peak that anybody has published a measurement of, over a whole step of training.
import type { Architecture } from '../hardware/device.ts';
import type { ProductRate } from '../hardware/number-format.ts';

export interface MeasuredShare {
  /** Model FLOPs over the peak of dense products, no recomputation counted. */
  readonly share: number;
  readonly what: string;
}

const wide: MeasuredShare = { share: 0.642, what: 'MPT 7B on 8 A100 80 GB (MosaicML, llm-foundry benchmarks)' };
const onTpu: MeasuredShare = { share: 0.687, what: 'a dense 128B model on 128 TPU v5p (MaxText)' };

const byRate: Readonly<Partial<Record<ProductRate, MeasuredShare>>> = {
  fp8: { share: 0.53, what: 'Llama 3.1 405B on 256 GB300 (NVIDIA, Megatron Bridge performance summary)' },
  fp4: { share: 0.22, what: 'Llama 3 70B on 64 GB300 in NVFP4 (NVIDIA, Megatron Bridge performance summary)' },
};

export const mostMeasured = (architecture: Architecture, rate: ProductRate): MeasuredShare =>
  byRate[rate] ?? (architecture === 'tpu' ? onTpu : wide);
