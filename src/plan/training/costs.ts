// What kernels and collectives of one training scenario cost.
import type { KernelShape } from '../../program/kernel-shape.ts';
import type { KernelSeconds, TalkSeconds } from '../cost/cost-model.ts';
import { groupSpread } from '../hardware/group-spread.ts';
import type { CountedTalk } from '../summary/summary.ts';
import type { TrainingScenario } from './scenario.ts';

export interface CostModel {
  readonly kernelSeconds: KernelSeconds;
  readonly talkSeconds: TalkSeconds;
}

export interface TrainingCosts {
  /** Seconds of one. */
  readonly kernel: (kernel: KernelShape) => number;
  readonly talk: (talk: Pick<CountedTalk, 'axis' | 'call' | 'bytes'>) => number;
}

export function trainingCosts({ cluster, formats, layout }: TrainingScenario, model: CostModel): TrainingCosts {
  const kernelFormats = { products: formats.products, activations: formats.activations };
  return {
    kernel: (kernel) => model.kernelSeconds(kernel, cluster.device, kernelFormats),
    talk: ({ axis, call, bytes }) =>
      model.talkSeconds({ call, bytes, spread: groupSpread(layout, axis, cluster) }, cluster),
  };
}
