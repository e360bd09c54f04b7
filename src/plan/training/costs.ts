// What kernels and collectives of one training scenario cost.
import { type Layout, withCopies } from '../../mesh/layout.ts';
import type { GroupAxis } from '../../mesh/mesh.ts';
import type { RecomputePolicy } from '../../mesh/recompute.ts';
import type { KernelShape } from '../../program/kernel-shape.ts';
import type { KernelSeconds, Pace, TalkSeconds } from '../cost/cost-model.ts';
import type { KernelConditions } from '../cost/kernels.ts';
import { keeps as fittedKeeps, type Keeps, sustainedShare } from '../cost/sustained.ts';
import { scoreKernels } from '../cost/written-scores.ts';
import { groupSpread } from '../hardware/group-spread.ts';
import { overHost } from '../hardware/link.ts';
import { formatBytes, rateOf } from '../hardware/number-format.ts';
import type { CountedTalk } from '../summary/summary.ts';
import { biasesBeside, isWithin } from './expert-passes.ts';
import { busiestRank } from './routing.ts';
import type { TrainingScenario } from './scenario.ts';
import { productsAgain } from './selection.ts';
import { type TrainingParameters, trainingParameters } from './training-parameters.ts';

export interface CostModel {
  readonly kernelSeconds: (...args: [...Parameters<KernelSeconds>, conditions?: KernelConditions]) => number;
  readonly talkSeconds: TalkSeconds;
  /** Undefined: kernels take what they take alone. */
  readonly pace?: Pace;
  /** Undefined: those that are fitted. */
  readonly parameters?: TrainingParameters;
  readonly keeps?: Keeps;
}

export const parametersOf = ({ parameters = trainingParameters }: CostModel): TrainingParameters => parameters;

export interface TrainingCosts {
  /** Seconds of one; `policy`: of its layer, where not all layers of the layout have the same. */
  readonly kernel: (kernel: KernelShape, policy?: RecomputePolicy) => number;
  readonly talk: (talk: Pick<CountedTalk, 'axis' | 'call' | 'bytes'>) => number;
  /** Whether some of what is said along it goes over devices' links to their hosts. */
  readonly overHost: (axis: GroupAxis) => boolean;
  /** Of ranks that meet every so many seconds: time over that of their kernels. */
  readonly pace: (secondsBetween: number) => number;
  /** Kernels that it is, by what they are to the host: those that a library's loop launches count as parts of one. */
  readonly launches: (kernel: KernelShape, policy?: RecomputePolicy) => number;
  readonly parameters: TrainingParameters;
}

/** On as many devices. */
const ofCopies = (layout: Layout): Layout =>
  layout.schedule === 'dualpipe' ? { ...withCopies(layout), pp: layout.pp / 2 } : layout;

/** `idle`: the share of ranks that wait for work, on average. */
export function trainingCosts(
  { cluster, config, formats, layout, software, routing = 'even' }: TrainingScenario,
  model: CostModel,
  idle = 0,
): TrainingCosts {
  const { device } = cluster;
  const busiest = busiestRank(config, layout, routing);
  const { attention, dropout, fuses } = software;
  const parameters = parametersOf(model);
  const { keeps = fittedKeeps } = model;
  const { portableAttention, fusedPasses, unfusedPasses, groupedShare } = parameters;
  const passes = fuses ? fusedPasses : unfusedPasses;
  const { products, activations, attention: keys = activations } = formats;
  const kernelFormats = { products, activations, attention: keys };
  const ofProducts = { sustained: sustainedShare(device, rateOf[formats.products], keeps), groupedShare };
  const ofAttention = { sustained: sustainedShare(device, rateOf[formats.activations], keeps) };
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
  // A shard's sums are small.
  const addsApart = software.addsApart && layout.zero < 2;
  const addedApart = ({ batch, m, n }: { readonly batch: number; readonly m: number; readonly n: number }) =>
    ({
      kind: 'memory',
      floats: 0,
      bytes: batch * m * n * (formatBytes[formats.activations] + 2 * formatBytes[formats.gradients]),
    }) as const;
  const portable = attention === 'flash-2' ? (portableAttention[device.architecture] ?? 1) : 1;
  // Made for heads of 128 features; of smaller ones exponentials take most of the time, whoever takes them.
  const slower = (headDim: number): number => 1 + (portable - 1) * Math.min(1, headDim / 128);
  const { recompute } = layout;
  const isSelected = (policy?: RecomputePolicy): boolean =>
    policy === 'selective' || (recompute.layers === undefined && recompute.policy === 'selective');
  const scoresOf = (
    kernel: Extract<KernelShape, { readonly kind: 'attention' }>,
    policy?: RecomputePolicy,
  ): KernelShape[] => scoreKernels(kernel, dropout, isSelected(policy));
  const again = productsAgain({ config, software });
  const kernel = (kernel: KernelShape, policy?: RecomputePolicy): number => {
    if (kernel.kind === 'matmul')
      return (
        (isSelected(policy) ? again : 1) * fused(kernel) +
        (kernel.accumulates && addsApart ? fused(addedApart(kernel)) : 0)
      );
    if (kernel.kind === 'memory') {
      if (isWithin(kernel, software, config)) return 0;
      const { bytes } = biasesBeside(kernel, software, config, layout.tp);
      const beside = bytes === 0 ? 0 : fused({ kind: 'memory', floats: 0, bytes });
      return beside + (device.measured ? fused(kernel) : passes * fused(kernel));
    }
    if (kernel.kind === 'grouped') return fused({ ...kernel, rows: busiest * kernel.rows });
    if (kernel.kind !== 'attention') return fused(kernel);
    if (attention !== 'scores') return slower(kernel.headDim) * fused(kernel);
    return scoresOf(kernel, policy).reduce((sum, each) => sum + fused(each), 0);
  };
  // The operands of a product that is narrower than activations are made so before; of a weight's gradient both are there.
  const narrowed = formatBytes[formats.products] < formatBytes[formats.activations] ? 3 : 1;
  const launchesOf = (kernel: KernelShape, policy?: RecomputePolicy): number => {
    if (kernel.kind === 'memory') {
      if (isWithin(kernel, software, config)) return 0;
      const { kernels } = biasesBeside(kernel, software, config, layout.tp);
      return kernels === 0 ? 1 : 1 + (parameters.loopedLaunch * kernels * config.mixture!.experts) / layout.ep;
    }
    if (kernel.kind === 'attention') return attention === 'scores' ? scoresOf(kernel, policy).length : 1;
    if (kernel.kind === 'grouped') {
      const each = kernel.weights ? 1 : narrowed;
      return software.experts === 'looped' ? each * (1 + parameters.loopedLaunch * (kernel.groups - 1)) : each;
    }
    return kernel.accumulates ? (addsApart ? 2 : 1) : narrowed;
  };
  const spreadOf = (axis: GroupAxis) => groupSpread(axis === 'pp' ? layout : ofCopies(layout), axis, cluster);
  return {
    parameters,
    kernel,
    launches: launchesOf,
    pace: (secondsBetween) => model.pace?.({ secondsBetween, idle }, cluster) ?? 1,
    overHost: (axis) => spreadOf(axis).some((ranks, tier) => ranks > 1 && overHost.has(cluster.tiers[tier]!.link)),
    talk({ axis, call, bytes }) {
      const spread = spreadOf(axis);
      const seconds = model.talkSeconds(
        { call, bytes: call === 'allToAllV' ? toExperts(bytes, spread) : bytes, spread },
        cluster,
      );
      return software.gathersTensors && layout.zero === 3 ? seconds / parameters.tensorGathers : seconds;
    },
  };
}
