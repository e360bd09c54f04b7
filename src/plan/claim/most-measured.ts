// The largest shares of a device's peak that anybody has published a measurement of, over a whole step of training.
import type { Architecture, Device } from '../hardware/device.ts';
import type { ProductRate } from '../hardware/number-format.ts';

export interface MeasuredShare {
  /** Model FLOPs as the source counts them over the peak of dense products, no recomputation counted. */
  readonly share: number;
  readonly what: string;
}

interface Published extends MeasuredShare {
  readonly rate: ProductRate;
  /** Whose products run alike: kernels reach about the same share on all devices of them. */
  readonly architectures: readonly Architecture[];
}

const published: readonly Published[] = [
  {
    architectures: ['ampere'],
    rate: 'bf16',
    share: 0.642,
    what: 'MPT 7B on 8 A100 80 GB (MosaicML, llm-foundry benchmarks)',
  },
  {
    architectures: ['hopper'],
    rate: 'bf16',
    share: 0.585,
    what: 'Nemotron 4 15B on 16 H100 (NVIDIA, DGX Cloud Benchmarking)',
  },
  { architectures: ['hopper'], rate: 'fp8', share: 0.449, what: 'GPT-3 175B on 512 H100 (NVIDIA, NeMo 24.07)' },
  {
    architectures: ['blackwell', 'blackwell-ultra'],
    rate: 'bf16',
    share: 0.474,
    what: 'Llama 3.1 405B on 128 GB200 (NVIDIA, DGX Cloud Benchmarking)',
  },
  {
    architectures: ['blackwell'],
    rate: 'fp8',
    share: 0.404,
    what: 'Llama 3.1 405B on 256 GB200 (NVIDIA, Megatron Bridge performance summary)',
  },
  {
    architectures: ['blackwell-ultra'],
    rate: 'fp8',
    share: 0.53,
    what: 'Llama 3.1 405B on 256 GB300 (NVIDIA, Megatron Bridge performance summary)',
  },
  {
    architectures: ['blackwell-ultra'],
    rate: 'fp4',
    share: 0.22,
    what: 'Llama 3 70B on 64 GB300 in NVFP4 (NVIDIA, Megatron Bridge performance summary)',
  },
  { architectures: ['tpu'], rate: 'bf16', share: 0.687, what: 'a dense 128B model on 128 TPU v5p (MaxText)' },
];

/** On devices of its architecture; where nobody published any, of such products on any GPU, or of any products. */
export function mostMeasured({ architecture }: Pick<Device, 'architecture'>, rate: ProductRate): MeasuredShare {
  const alike = published.filter((each) => each.rate === rate);
  const own = alike.filter(({ architectures }) => architectures.includes(architecture));
  const others = [alike, published].map((all) => all.filter(({ architectures }) => !architectures.includes('tpu')));
  const found = [own, ...others].find((each) => each.length > 0)!;
  return found.reduce((most, each) => (each.share > most.share ? each : most));
}
