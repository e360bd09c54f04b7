// The kernels of one layer, of one device, and what its ranks say to each other: what products are taken of, apart from attention.
// Engines join products that share their input: q, k and v are one, gate and up are one.
import { type Mixture, type ModelConfig, mlpMatrices } from '../../model/config.ts';
import type { KernelShape } from '../../program/kernel-shape.ts';
import type { GroupTalk, KernelFormats } from '../cost/cost-model.ts';
import { formatBytes } from '../hardware/number-format.ts';
import type { RoleFormats } from './formats.ts';
import type { AttentionForm, LayerForm } from './layer-forms.ts';
import type { ServingLayout } from './scenario.ts';
import { busiestSlots, type Liking, likingOf, usedExperts } from './used-experts.ts';

export type KernelPart = 'products' | 'experts' | 'other';

export interface PlacedKernel {
  readonly part: KernelPart;
  readonly kernel: KernelShape;
  readonly formats: KernelFormats;
}

/** Who takes part in a collective: ranks that split a layer, those that split a context, or all of a stage. */
export type ServingGroup = 'tensor' | 'context' | 'stage';

export interface PlacedTalk {
  readonly group: ServingGroup;
  readonly call: GroupTalk['call'];
  readonly bytes: number;
}

export interface LayerWork {
  readonly kernels: readonly PlacedKernel[];
  readonly talk: readonly PlacedTalk[];
}

export interface LayerSetting {
  readonly config: ModelConfig;
  readonly layout: ServingLayout;
  readonly formats: RoleFormats;
  readonly activationBytes: number;
  /** How the experts of its mixture are liked; undefined: all alike. */
  readonly liking?: Liking;
}

/** Tokens of this device that are written, and of prompts. */
export interface LayerTokens {
  readonly written: number;
  readonly read: number;
}

/** What each rank of a group has of something that tp splits: at least one. */
const share = (whole: number, ranks: number): number => Math.max(1, Math.ceil(whole / ranks));

const product = (m: number, n: number, k: number, formats: KernelFormats, batch = 1): PlacedKernel => ({
  part: 'products',
  kernel: { kind: 'matmul', batch, m, n, k },
  formats,
});

const memory = (floats: number, formats: KernelFormats): PlacedKernel => ({
  part: 'other',
  kernel: { kind: 'memory', floats, bytes: 0 },
  formats,
});

/** Kernels and talk of a layer. `tokens` are those of one attention-data-parallel rank. */
export function layerWork(form: LayerForm, tokens: LayerTokens, setting: LayerSetting): LayerWork {
  const { config, layout, formats, activationBytes } = setting;
  const { tp, cp, dp } = layout;
  const all = tokens.written + tokens.read;
  const features = all * config.hiddenSize;
  const norm = memory(4 * features, formats.plain);
  const mlp = form.mixture
    ? mixtureKernels(form.mixture, tokens, setting)
    : mlpKernels(config.intermediateSize, all, setting);
  const summed: PlacedTalk = { group: 'tensor', call: 'allReduce', bytes: features * activationBytes };
  const sums = tp > 1 ? [summed] : [];
  const experts = form.mixture && (dp > 1 || cp > 1) ? expertTalk(form.mixture, all, setting) : sums;
  const talk = [...contextTalk(form.attention, tokens, setting), ...sums, ...experts];
  return { kernels: [norm, ...attentionProducts(form.attention, tokens, setting), norm, ...mlp], talk };
}

/** Over cp, keys and values of prompts go to all; what written tokens find in each rank's part of their context is merged. */
function contextTalk(form: AttentionForm, { written, read }: LayerTokens, setting: LayerSetting): PlacedTalk[] {
  const { layout, activationBytes } = setting;
  const { tp, cp } = layout;
  if (cp === 1) return [];
  const heads = share(form.heads, tp);
  const [kept, found] =
    form.kind === 'latent'
      ? [form.keyValueRank + form.rotatedDim, heads * form.keyValueRank]
      : [2 * share(form.kvHeads, tp) * form.headDim, heads * form.headDim];
  const gathered: PlacedTalk = { group: 'context', call: 'allGather', bytes: read * kept * activationBytes };
  const merged: PlacedTalk = { group: 'context', call: 'allReduce', bytes: written * found * activationBytes };
  return [...(read > 0 ? [gathered] : []), ...(written > 0 ? [merged] : [])];
}

function attentionProducts(form: AttentionForm, tokens: LayerTokens, setting: LayerSetting): PlacedKernel[] {
  const { config, layout, formats } = setting;
  const { hiddenSize } = config;
  const { attentionWeights } = formats;
  const all = tokens.written + tokens.read;
  const heads = share(form.heads, layout.tp);
  switch (form.kind) {
    case 'grouped': {
      const width = (heads + 2 * share(form.kvHeads, layout.tp)) * form.headDim;
      return [
        product(all, width, hiddenSize, attentionWeights),
        memory(2 * all * width, formats.plain),
        product(all, hiddenSize, heads * form.headDim, attentionWeights),
      ];
    }
    case 'latent': {
      const { queryRank = 0, keyValueRank, rotatedDim, plainDim, valueDim } = form;
      const queryWidth = heads * (plainDim + rotatedDim);
      const kept = keyValueRank + rotatedDim;
      const down = queryRank > 0 ? queryRank + kept : queryWidth + kept;
      return [
        product(all, down, hiddenSize, attentionWeights),
        memory(2 * all * down, formats.plain),
        ...(queryRank > 0 ? [product(all, queryWidth, queryRank, attentionWeights)] : []),
        // Written tokens look at the vectors that are kept: their queries are brought there, and what they find is brought back.
        ...(tokens.written > 0
          ? [
              product(tokens.written, keyValueRank, plainDim, formats.plain, heads),
              product(tokens.written, valueDim, keyValueRank, formats.plain, heads),
            ]
          : []),
        ...(tokens.read > 0
          ? [product(tokens.read, heads * (plainDim + valueDim), keyValueRank, attentionWeights)]
          : []),
        memory(2 * all * queryWidth, formats.plain),
        product(all, hiddenSize, heads * valueDim, attentionWeights),
      ];
    }
  }
}

function mlpKernels(width: number, tokens: number, setting: LayerSetting): PlacedKernel[] {
  const { config, layout, formats } = setting;
  const own = share(width, layout.tp);
  const matrices = mlpMatrices[config.activation].length - 1;
  return [
    product(tokens, matrices * own, config.hiddenSize, formats.weights),
    memory((matrices + 1) * tokens * own, formats.plain),
    product(tokens, config.hiddenSize, own, formats.weights),
  ];
}

function mixtureKernels(mixture: Mixture, { written, read }: LayerTokens, setting: LayerSetting): PlacedKernel[] {
  const { config, layout, formats, liking = likingOf(mixture, 0) } = setting;
  const { tp, cp, dp, ep } = layout;
  const { hiddenSize, activation } = config;
  const tokens = written + read;
  // What is written is the same on all ranks of cp.
  const together = (written + read * cp) * dp;
  const slots = busiestSlots(liking, together * mixture.perToken, ep);
  const groups = Math.max(1, Math.round(usedExperts(liking, together) / ep));
  const width = share(mixture.intermediateSize, (tp * cp * dp) / ep);
  const matrices = mlpMatrices[activation].length - 1;
  const grouped = (n: number, k: number): PlacedKernel => ({
    part: 'experts',
    kernel: { kind: 'grouped', groups, rows: Math.max(1, Math.round(slots)), n, k },
    formats: formats.experts,
  });
  const shared = mixture.sharedIntermediateSize;
  return [
    product(tokens, mixture.experts, hiddenSize, formats.plain),
    memory(2 * tokens * mixture.experts, formats.plain),
    memory(2 * slots * hiddenSize, formats.plain),
    grouped(matrices * width, hiddenSize),
    memory((matrices + 1) * slots * width, formats.plain),
    grouped(hiddenSize, width),
    memory((slots + tokens) * hiddenSize, formats.plain),
    ...(shared === undefined ? [] : mlpKernels(shared, tokens, setting)),
  ];
}

/** Tokens go to the ranks of their experts and come back: all of them to all ranks, or each where it is needed, whichever sends less. */
function expertTalk({ perToken }: Mixture, tokens: number, setting: LayerSetting): PlacedTalk[] {
  const { config, layout, formats, activationBytes } = setting;
  const { tp, cp, dp, ep } = layout;
  const features = (tokens / tp) * config.hiddenSize;
  // What experts take products of is made narrow before it is sent.
  const there = features * formatBytes[formats.experts.products];
  const back = features * activationBytes;
  const ranks = tp * cp * dp;
  // A token goes to so many ranks.
  const reached = (ep * (1 - (1 - 1 / ep) ** perToken) * ranks) / ep;
  if (reached * 2 > ranks - 1)
    return [
      { group: 'stage', call: 'allGather', bytes: there },
      { group: 'stage', call: 'reduceScatter', bytes: back * ranks },
    ];
  return [
    { group: 'stage', call: 'allToAll', bytes: there * reached },
    { group: 'stage', call: 'allToAll', bytes: back * reached },
  ];
}
