// Seconds of an iteration of an engine, by cause: the sum of its kernels and collectives, and the engine's own time.
import type { ModelConfig } from '../../model/config.ts';
import type { KernelShape } from '../../program/kernel-shape.ts';
import type { KernelFormats, TalkSeconds } from '../cost/cost-model.ts';
import type { KernelConditions } from '../cost/kernels.ts';
import type { Cluster } from '../hardware/cluster.ts';
import type { Device } from '../hardware/device.ts';
import { groupSpread } from '../hardware/group-spread.ts';
import { formatBytes } from '../hardware/number-format.ts';
import { attentionKernels } from './attention-kernels.ts';
import { type Batch, sampledRows, tokensOf } from './batch.ts';
import type { EngineName, EngineTimes } from './engines.ts';
import { roleFormats } from './formats.ts';
import { type LayerForm, layerForms } from './layer-forms.ts';
import { type LayerSetting, layerWork, type PlacedTalk, type ServingGroup } from './layer-kernels.ts';
import { meshOf } from './mesh.ts';
import { reduceAtOnce } from './reduce-at-once.ts';
import type { IterationSeconds, ServingFormats, ServingLayout } from './scenario.ts';
import { likingOf } from './used-experts.ts';

/** What seconds are made of. */
export interface ServingCosts {
  readonly kernelSeconds: (
    kernel: KernelShape,
    device: Device,
    formats: KernelFormats,
    conditions?: KernelConditions,
  ) => number;
  readonly talkSeconds: TalkSeconds;
  readonly engineTimes: Readonly<Record<EngineName, EngineTimes>>;
  /** See used-experts.ts. */
  readonly routingSkew: number;
}

export interface IterationSetting {
  readonly config: ModelConfig;
  readonly cluster: Cluster;
  readonly layout: ServingLayout;
  readonly formats: ServingFormats;
  readonly engine: EngineName;
  readonly costs: ServingCosts;
}

/** Seconds of products and so on, as the cost models have them. */
interface WorkSeconds {
  readonly products: number;
  readonly experts: number;
  readonly other: number;
  readonly collectives: number;
  readonly kernels: number;
}

export type Iterate = (batch: Batch) => IterationSeconds;

/**
 * Seconds of an iteration of one instance, every attention-data-parallel rank of which has such a batch. Over stages a batch is cut into as many
 * parts as there are stages, and an iteration is over when all of them have been through all.
 */
export function iterations(setting: IterationSetting): Iterate {
  const { config, cluster, layout, formats, engine, costs } = setting;
  const times = costs.engineTimes[engine];
  const roles = roleFormats(formats, cluster.device);
  const activationBytes = formatBytes[formats.activations];
  const layerSetting: LayerSetting = {
    config,
    layout,
    formats: roles,
    activationBytes,
    ...(config.mixture && { liking: likingOf(config.mixture, costs.routingSkew) }),
  };
  const forms = layerForms(config);
  const ofExperts = expertsFactor(roles.experts, times);
  const { tp, cp, pp } = layout;
  const mesh = meshOf(layout);
  const spreads: Record<ServingGroup, readonly number[]> = {
    tensor: groupSpread(mesh, 'tp', cluster),
    context: groupSpread(mesh, 'cp', cluster),
    stage: groupSpread(mesh, 'tp+cp+dp', cluster),
  };
  const stages = groupSpread(mesh, 'pp', cluster);
  const talkSeconds = ({ group, call, bytes }: PlacedTalk): number => {
    const spread = spreads[group];
    const seconds = costs.talkSeconds({ call, bytes, spread }, cluster);
    return call === 'allReduce' ? Math.min(seconds, reduceAtOnce(bytes, spread, cluster, times)) : seconds;
  };

  /** Clocks are lower where there is more work. */
  const conditionsOf = (read: number): KernelConditions => ({ sustained: read > 0 ? 1 / times.prompts : 1 });

  const layerSeconds = (form: LayerForm, written: number, read: number): WorkSeconds => {
    const sums = { products: 0, experts: 0, other: 0, collectives: 0, kernels: 1 };
    const work = layerWork(form, { written, read }, layerSetting);
    for (const { part, kernel, formats } of work.kernels) {
      sums[part] += costs.kernelSeconds(kernel, cluster.device, formats, conditionsOf(read));
      sums.kernels++;
    }
    for (const each of work.talk) sums.collectives += talkSeconds(each);
    return sums;
  };

  const headSeconds = (rows: number, tokens: number): WorkSeconds => {
    const { vocabSize, hiddenSize } = config;
    const n = Math.ceil(vocabSize / tp);
    const head = { kind: 'matmul', batch: 1, m: rows, n, k: hiddenSize } as const;
    const gathered: PlacedTalk = { group: 'tensor', call: 'allGather', bytes: rows * n * activationBytes };
    const embedded: PlacedTalk = { group: 'tensor', call: 'allReduce', bytes: tokens * hiddenSize * activationBytes };
    return {
      products: costs.kernelSeconds(head, cluster.device, roles.plain),
      experts: 0,
      other: costs.kernelSeconds(
        { kind: 'memory', floats: 2 * rows * vocabSize, bytes: 0 },
        cluster.device,
        roles.plain,
      ),
      collectives: tp > 1 ? talkSeconds(gathered) + talkSeconds(embedded) : 0,
      kernels: 4,
    };
  };

  /** Of one stage: all of a rank's layers but attention, and the head. */
  const known = new Map<string, WorkSeconds>();
  const workOf = (written: number, read: number, rows: number): WorkSeconds => {
    const key = `${written},${read},${rows}`;
    const before = known.get(key);
    if (before) return before;
    const sums = { ...headSeconds(rows, written + read) };
    for (const form of forms) {
      const layer = layerSeconds(form, written, read);
      for (const part of Object.keys(sums) as (keyof WorkSeconds)[]) sums[part] += (layer[part] * form.layers) / pp;
    }
    known.set(key, sums);
    return sums;
  };

  const attentionSeconds = (batch: Batch): number => {
    let seconds = 0;
    for (const { attention, layers } of forms)
      for (const kernel of attentionKernels(attention, batch, layout))
        seconds +=
          (layers / pp) * costs.kernelSeconds(kernel, cluster.device, roles.plain, conditionsOf(batch.prompts));
    return seconds;
  };

  return (batch) => {
    const part = pp === 1 ? batch : partOf(batch, pp);
    const written = Math.max(0, Math.round(part.writing * part.queries));
    const read = Math.round((part.prompts * part.promptTokens) / cp);
    const work = workOf(written, read, Math.max(1, Math.round(sampledRows(part))));
    const sent = pp === 1 ? 0 : sendSeconds(part);
    const products = work.products * pp;
    const experts = work.experts * ofExperts * pp;
    const attention = attentionSeconds(part) * pp;
    const small = (work.other + work.kernels * times.kernelSeconds) * pp;
    const collectives = (work.collectives + sent) * pp;
    const device = products + experts + attention + small + collectives;
    const overhead = times.iterationSeconds + Math.max(0, times.requestSeconds * sampledRows(batch) - device);
    const launches = batch.prompts > 0 ? work.kernels * times.launchSeconds * pp : 0;
    const other = small + Math.max(0, launches - device);
    const total = products + experts + attention + other + collectives + overhead;
    return { products: products + experts, experts, attention, other, collectives, overhead, total };
  };

  function sendSeconds(part: Batch): number {
    const bytes = (tokensOf(part) / cp) * config.hiddenSize * activationBytes;
    return costs.talkSeconds({ call: 'send', bytes, spread: stages }, cluster);
  }
}

function expertsFactor({ weights, products }: KernelFormats, times: EngineTimes): number {
  if (formatBytes[weights ?? products] < formatBytes[products]) return times.widenedExperts;
  return formatBytes[products] < 1 ? times.narrowExperts : times.experts;
}

const partOf = (batch: Batch, parts: number): Batch => ({
  ...batch,
  writing: batch.writing / parts,
  prompts: batch.prompts > 0 ? Math.max(1, batch.prompts / parts) : 0,
  promptTokens: batch.prompts >= parts ? batch.promptTokens : (batch.promptTokens * batch.prompts) / parts,
});
