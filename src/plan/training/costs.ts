// What kernels and collectives of one training scenario cost.
import type { Layout } from '../../mesh/layout.ts';
import type { KernelShape } from '../../program/kernel-shape.ts';
import type { KernelSeconds, TalkSeconds } from '../cost/cost-model.ts';
import type { KernelConditions } from '../cost/kernels.ts';
import { sustainedShare } from '../cost/sustained.ts';
import { scoreKernels } from '../cost/written-scores.ts';
import { groupSpread } from '../hardware/group-spread.ts';
import { rateOf } from '../hardware/number-format.ts';
import type { CountedTalk } from '../summary/summary.ts';
import { busiestRank } from './routing.ts';
import type { TrainingScenario } from './scenario.ts';
import { productsAgain } from './selection.ts';
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

/** With dualpipe both copies of a part of the model along a pipeline see data of their own. */
const ofCopies = (layout: Layout): Layout =>
  layout.schedule === 'dualpipe' ? { ...layout, dp: 2 * layout.dp, pp: layout.pp / 2 } : layout;

export function trainingCosts(
  { cluster, config, formats, layout, software, routing = 'even' }: TrainingScenario,
  model: CostModel,
): TrainingCosts {
  const { device } = cluster;
  const busiest = busiestRank(config, layout, routing);
  const { attention, dropout, fuses } = software;
  const { portableAttention, fusedPasses, unfusedPasses, groupedShare } = trainingParameters;
  const passes = fuses ? fusedPasses : unfusedPasses;
  const kernelFormats = { products: formats.products, activations: formats.activations };
  const ofProducts = { sustained: sustainedShare(device, rateOf[formats.products]), groupedShare };
  const ofAttention = { sustained: sustainedShare(device, rateOf[formats.activations]) };
  const fused = (kernel: KernelShape): number =>
    model.kernelSeconds(kernel, device, kernelFormats, kernel.kind === 'attention' ? ofAttention : ofProducts);
  /** Bytes for experts: of a rank's own tokens, where tensor-parallel ranks share them out, and once to a node, where they go so. */
  const toExperts = (bytes: number, spread: readonly number[]): number =>
    (busiest * bytes) /
    (layout.sp && software.gathersAgain ? layout.tp : 1) /
    (software.sendsOnce ? copies(spread) : 1);
  /** Of what leaves a node, on average over tokens whose experts lie anywhere: rows for each node that has any. */
  const copies = (spread: readonly number[]): number => {
    const wanted = config.mixture?.perToken ?? 1;
    const nodes = spread.slice(1).reduce((a, b) => a * b, 1);
    return nodes === 1 ? 1 : wanted / nodes / (1 - (1 - 1 / nodes) ** wanted);
  };
  const portable = attention === 'flash-2' ? (portableAttention[device.architecture] ?? 1) : 1;
  // Made for heads of 128 features; of smaller ones exponentials take most of the time, whoever takes them.
  const slower = (headDim: number): number => 1 + (portable - 1) * Math.min(1, headDim / 128);
  const again = productsAgain({ config, layout, software });
  const kernel = (kernel: KernelShape): number => {
    if (kernel.kind === 'matmul') return again * fused(kernel);
    if (kernel.kind === 'memory') return device.measured ? fused(kernel) : passes * fused(kernel);
    if (kernel.kind === 'grouped') return fused({ ...kernel, rows: busiest * kernel.rows });
    if (kernel.kind !== 'attention') return fused(kernel);
    if (attention !== 'scores') return slower(kernel.headDim) * fused(kernel);
    return scoreKernels(kernel, dropout, layout.recompute.policy === 'selective').reduce(
      (sum, each) => sum + fused(each),
      0,
    );
  };
  return {
    kernel,
    talk({ axis, call, bytes }) {
      const spread = groupSpread(axis === 'pp' ? layout : ofCopies(layout), axis, cluster);
      return model.talkSeconds(
        { call, bytes: call === 'allToAllV' ? toExperts(bytes, spread) : bytes, spread },
        cluster,
      );
    },
  };
}
