// What elementwise ops of a part go through at least, and what it holds: measured of traced parts, on one rank of cp, on one of ep or as few as there are more, and of
// as many tokens as there are in any microbatch. With fewer tokens it is less in proportion. On more ranks of tp what is cut is less, and what is not stays:
//
//   numbers(tp) = whole + cut / tp, or where heads are too few to be cut more than that: a line through two of them lies below all that follow, but for
//   what ranks that share a key-value head have besides, of the second: its part of the matrices that they all hold.

import type { RecomputePolicy } from '../../mesh/recompute.ts';
import { kvSharded } from '../../model/block-params.ts';
import { mixtureOf } from '../../model/config.ts';
import type { PartName } from '../../model/params.ts';
import { alignment } from '../../program/lives.ts';
import { once } from '../../step/once.ts';
import { summariesFor } from '../summary/part-summary.ts';
import type { PartSummary, RunSummary } from '../summary/summary.ts';
import { isWithin } from '../training/expert-passes.ts';
import { stepSettings } from '../training/predict-training.ts';
import { widthsOf } from '../training/scenario.ts';
import type { Attention } from './least-attention.ts';
import { type Kind, kindLayout, type SearchTask } from './task.ts';

/** Of a pass over one microbatch. */
export interface SampledPass {
  /**
   * How many kernels are bound by memory, and what they go through; but for those that do little else than to add gradients to
   * those that were, which ZeRO 2 and 3 do in other ways.
   */
  readonly kernels: number;
  readonly floats: number;
  readonly bytes: number;
  /** Kernels of other kinds. */
  readonly others: number;
  /** Bytes of activations, as in LiveProfile. */
  readonly peak: number;
  readonly net: number;
}

type SampledKind = Pick<Kind, 'tp' | 'sp' | 'ep' | 'microBatch'>;

export interface PartSample {
  readonly forward: SampledPass;
  readonly backward: SampledPass;
}

/** Of traced parts, on one rank of cp and as few of ep, which only add to what they do. */
export interface Sampler {
  readonly part: (kind: Kind, name: PartName, layer: number) => PartSample;
  /** Of one sequence and all heads, forward, where there is any. */
  readonly attention: (layer: number) => Attention | undefined;
}

export function samplerOf(task: SearchTask, kinds: readonly Kind[]): Sampler {
  const most = kinds.reduce((largest, { microBatch }) => Math.max(largest, microBatch), 1);
  const traceable = (sp: boolean): number[] => {
    const all = new Set(kinds.filter((kind) => kind.sp === sp && kind.tp > 1).map(({ tp }) => tp));
    return [...all].sort((a, b) => a - b).filter((tp, at) => at < 2 || tp <= mostTraced);
  };
  const ranks = { cut: traceable(true), whole: traceable(false) };
  const traced = new Map<string, PartSample>();
  const known = new Map<string, PartSample>();
  // Rows come and go as often whatever ranks they come from.
  const fewest = kinds.reduce((least, { ep }) => (ep > 1 ? Math.min(least, ep) : least), Number.POSITIVE_INFINITY);
  const sample = (kind: SampledKind, name: PartName, layer: number, policy: RecomputePolicy): PartSample => {
    const key = `${kind.tp} ${kind.sp} ${kind.ep} ${name} ${layer} ${policy}`;
    const found = traced.get(key) ?? sampleOf(task, summaryOf(task, kind, name, layer, policy));
    traced.set(key, found);
    return found;
  };
  const part = (kind: Kind, name: PartName, layer: number): PartSample => {
    const { tp, sp, cp, microBatch } = kind;
    const ep = kind.ep > 1 && mixtureOf(task.config, layer) && name === 'block' ? fewest : 1;
    const policy = name === 'block' ? kind.recompute : 'none';
    const key = `${tp} ${sp} ${ep} ${microBatch / cp} ${name} ${layer} ${policy}`;
    const found = known.get(key);
    if (found) return found;
    // One rank has other ops than several.
    const tried = sp ? ranks.cut : ranks.whole;
    const [first, second] = tp === 1 || tried.includes(tp) ? [tp, tp] : [tried.at(-2)!, tried.at(-1)!];
    const [a, b] = [first, second].map((tp) => sample({ tp, sp, ep, microBatch: most }, name, layer, policy));
    const share = microBatch / cp / most;
    const besides = sharesHeads(task, first, second) ? keyValueParts(task) : { floats: 0, bytes: 0 };
    const along = first === second ? 0 : (1 / first - 1 / tp) / (1 / first - 1 / second);
    // Where the loss is taken in blocks there are as many kernels as blocks: fewer of fewer tokens.
    const mostKernels = name === 'head' && task.software.loss === 'blocks' ? 1 : Number.POSITIVE_INFINITY;
    const pass = (from: SampledPass, to: SampledPass): SampledPass => {
      const at = (of: keyof SampledPass, besides = 0): number =>
        Math.max(0, from[of] + along * (to[of] - from[of] - besides)) * share;
      const slack = roundedUp * (1 + along) * share;
      return {
        kernels: Math.min(from.kernels, to.kernels, mostKernels),
        others: Math.min(from.others, to.others, mostKernels),
        floats: at('floats', besides.floats),
        bytes: at('bytes'),
        peak: Math.max(0, at('peak', besides.bytes) - slack),
        net: Math.max(0, at('net', besides.bytes) - slack),
      };
    };
    const made = {
      forward: pass(a!.forward, b!.forward),
      backward: pass(a!.backward, b!.backward),
    };
    known.set(key, made);
    return made;
  };
  return { part, attention: once((layer: number) => attentionIn(task, most, layer)) };
}

/** Parts are traced on so many ranks of tp: those that layouts have inside nodes, where bounds have to be close. */
const mostTraced = 16;

/** Bytes by which rounding sizes up to whole lines of memory can have made what is held look larger: of a few hundred activations. */
const roundedUp = 512 * alignment;

/** Whether the second of two numbers of ranks is the one from which they share key-value heads. */
const sharesHeads = ({ config }: SearchTask, first: number, second: number): boolean =>
  kvSharded(config, { tp: first, sp: false }) && !kvSharded(config, { tp: second, sp: false });

/** Of a head's keys and values: what its part of their matrices is, and at most what it takes to cut it out and to put its gradient back. */
function keyValueParts({ config, formats }: SearchTask): { readonly floats: number; readonly bytes: number } {
  const { kvHeads, headDim, hiddenSize } = config;
  const { activations, parameters } = widthsOf(formats);
  const part = 2 * headDim * hiddenSize;
  return { floats: 2 * part * (1 + kvHeads), bytes: part * Math.max(activations, parameters) };
}

function attentionIn(task: SearchTask, microBatch: number, layer: number): Attention | undefined {
  const { forward } = summaryOf(task, { tp: 1, sp: false, ep: 1, microBatch }, 'block', layer, 'none');
  const kernels = forward.kernels.flatMap(({ kernel }) => (kernel.kind === 'attention' ? [kernel] : []));
  return kernels[0] && { ...kernels[0], batch: 1 };
}

const sampleOf = (task: SearchTask, { forward, backward }: PartSummary): PartSample => ({
  forward: passOf(forward, task),
  backward: passOf(backward, task),
});

function summaryOf(
  task: SearchTask,
  sampled: SampledKind,
  name: PartName,
  layer: number,
  policy: RecomputePolicy,
): PartSummary {
  const kind: Kind = { ...sampled, cp: 1, cpMode: 'ring', recompute: policy };
  const { microBatch } = kind;
  const settings = stepSettings({ ...task, layout: kindLayout(kind), microBatch, microbatches: 1 });
  return summariesFor(settings, widthsOf(task.formats)).part(name, layer, policy);
}

/** Gradients of norms read the sums that they are added to, up to two numbers a feature, but where ZeRO shares gradients out. */
function passOf({ kernels, live }: RunSummary, { config, software }: SearchTask): SampledPass {
  const sum = { kernels: 0, floats: 0, bytes: 0, others: 0 };
  for (const { kernel, count } of kernels) {
    if (kernel.kind !== 'memory') {
      sum.others += count;
    } else if (kernel.bytes <= kernel.floats && !isWithin(kernel, software, config)) {
      sum.kernels += count;
      const added = kernel.op?.endsWith('NormGrad') ? 2 * config.hiddenSize : 0;
      sum.floats += count * Math.max(0, kernel.floats - added);
      sum.bytes += count * kernel.bytes;
    }
  }
  return { ...sum, ...live };
}
