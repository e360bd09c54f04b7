// What kernels and collectives of one training scenario cost.
import type { KernelShape } from '../../program/kernel-shape.ts';
import type { KernelSeconds, TalkSeconds } from '../cost/cost-model.ts';
import type { KernelConditions } from '../cost/kernels.ts';
import { sustainedShare } from '../cost/sustained.ts';
import { scoreKernels } from '../cost/written-scores.ts';
import { groupSpread } from '../hardware/group-spread.ts';
import type { CountedTalk } from '../summary/summary.ts';
import type { TrainingScenario } from './scenario.ts';
import { trainingParameters } from './training-parameters.ts';

export interface CostModel {
  readonly kernelSeconds: (...args: [...Parameters<KernelSeconds>, conditions?: KernelConditions]) => number;
  readonly talkSeconds: TalkSeconds;
}

export interface TrainingCosts {
  /** Seconds of one. */
  readonly kernel: (kernel: KernelShape) => number;
  readonly talk: (talk: Pick<CountedTalk, 'axis' | 'call' | 'bytes'>) => number;
}

export function trainingCosts(
  { cluster, formats, layout, software }: TrainingScenario,
  model: CostModel,
): TrainingCosts {
  const { device } = cluster;
  const { attention, dropout, fuses } = software;
  const { portableAttention, fusedPasses, unfusedPasses } = trainingParameters;
  const passes = fuses ? fusedPasses : unfusedPasses;
  const kernelFormats = { products: formats.products, activations: formats.activations };
  // Libraries for training take products by group nearly as fast as one; what was measured is engines' kernels, tuned or not.
  const conditions = { sustained: sustainedShare(device), groupedShare: 0.9 };
  const fused = (kernel: KernelShape): number => model.kernelSeconds(kernel, device, kernelFormats, conditions);
  const portable = attention === 'flash-2' ? (portableAttention[device.architecture] ?? 1) : 1;
  // Made for heads of 128 features; of smaller ones exponentials take most of the time, whoever takes them.
  const slower = (headDim: number): number => 1 + (portable - 1) * Math.min(1, headDim / 128);
  const kernel = (kernel: KernelShape): number => {
    if (kernel.kind === 'memory') return passes * fused(kernel);
    if (kernel.kind !== 'attention') return fused(kernel);
    if (attention !== 'scores') return slower(kernel.headDim) * fused(kernel);
    return scoreKernels(kernel, dropout, layout.recompute.policy === 'selective').reduce(
      (sum, each) => sum + fused(each),
      0,
    );
  };
  return {
    kernel,
    talk: ({ axis, call, bytes }) =>
      model.talkSeconds({ call, bytes, spread: groupSpread(layout, axis, cluster) }, cluster),
  };
}
