// What kernels and collectives of one training scenario cost.
import type { KernelShape } from '../../program/kernel-shape.ts';
import type { KernelSeconds, TalkSeconds } from '../cost/cost-model.ts';
import type { KernelConditions } from '../cost/kernels.ts';
import { sustainedShare } from '../cost/sustained.ts';
import { scoreKernels } from '../cost/written-scores.ts';
import { groupSpread } from '../hardware/group-spread.ts';
import type { CountedTalk } from '../summary/summary.ts';
import type { TrainingScenario } from './scenario.ts';

export interface CostModel {
  readonly kernelSeconds: (...args: [...Parameters<KernelSeconds>, conditions?: KernelConditions]) => number;
  readonly talkSeconds: TalkSeconds;
}

export interface TrainingCosts {
  /** Seconds of one. */
  readonly kernel: (kernel: KernelShape) => number;
  readonly talk: (talk: Pick<CountedTalk, 'axis' | 'call' | 'bytes'>) => number;
}

/** FlashAttention 2 on devices that later kernels were made for: its paper's successor has it 1.5 to 2 times as fast (arXiv 2407.08608). */
const portableAttention: Readonly<Record<string, number>> = { hopper: 1.65, blackwell: 2.2 };
/** Ops that are a kernel each, of which a fused one is made: a norm's squares, mean, quotient and product; a rotation's halves. */
const unfusedPasses = 2.5;

export function trainingCosts(
  { cluster, formats, layout, software }: TrainingScenario,
  model: CostModel,
): TrainingCosts {
  const { device } = cluster;
  const { attention, dropout, fuses } = software;
  const kernelFormats = { products: formats.products, activations: formats.activations };
  const conditions = { sustained: sustainedShare(device) };
  const fused = (kernel: KernelShape): number => model.kernelSeconds(kernel, device, kernelFormats, conditions);
  const slower = attention === 'flash-2' ? (portableAttention[device.architecture] ?? 1) : 1;
  const kernel = (kernel: KernelShape): number => {
    if (kernel.kind === 'memory') return fuses ? fused(kernel) : unfusedPasses * fused(kernel);
    if (kernel.kind !== 'attention') return fused(kernel);
    if (attention !== 'scores') return slower * fused(kernel);
    return scoreKernels(kernel, dropout).reduce((sum, each) => sum + fused(each), 0);
  };
  return {
    kernel,
    talk: ({ axis, call, bytes }) =>
      model.talkSeconds({ call, bytes, spread: groupSpread(layout, axis, cluster) }, cluster),
  };
}
