// What elementwise ops of a part go through at least, and what it holds: measured of traced parts, on one rank of cp and ep and of as many tokens as there
// are in any microbatch. With fewer tokens it is less in proportion. On more ranks of tp what is cut is less, and what is not stays:
//
//   numbers(tp) = whole + cut / tp, or where heads are too few to be cut more than that: a line through two of them lies below all that follow.

import type { RecomputePolicy } from '../../mesh/recompute.ts';
import type { PartName } from '../../model/params.ts';
import type { KernelShape } from '../../program/kernel-shape.ts';
import { alignment } from '../../program/lives.ts';
import { summariesFor } from '../summary/part-summary.ts';
import type { RunSummary } from '../summary/summary.ts';
import { isWithin } from '../training/expert-passes.ts';
import { stepSettings } from '../training/predict-training.ts';
import { widthsOf } from '../training/scenario.ts';
import { type Kind, kindLayout, type SearchTask } from './task.ts';

type Attention = Extract<KernelShape, { readonly kind: 'attention' }>;

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

export interface PartSample {
  readonly forward: SampledPass;
  readonly backward: SampledPass;
  /** Of one sequence and all heads, forward, where there is any. */
  readonly attention: Attention | undefined;
}

/** Of a part of a kind; on one rank of cp and ep, which only add to it. */
export type Sampler = (kind: Kind, name: PartName, layer: number) => PartSample;

export function samplerOf(task: SearchTask, kinds: readonly Kind[]): Sampler {
  const most = kinds.reduce((largest, { microBatch }) => Math.max(largest, microBatch), 1);
  const traceable = (sp: boolean): number[] => {
    const all = new Set(kinds.filter((kind) => kind.sp === sp && kind.tp > 1).map(({ tp }) => tp));
    return [...all].sort((a, b) => a - b).filter((tp, at) => at < 2 || tp <= mostTraced);
  };
  const ranks = { cut: traceable(true), whole: traceable(false) };
  const traced = new Map<string, PartSample>();
  const known = new Map<string, PartSample>();
  const sample = (tp: number, sp: boolean, name: PartName, layer: number, policy: RecomputePolicy): PartSample => {
    const key = `${tp} ${sp} ${name} ${layer} ${policy}`;
    const found = traced.get(key) ?? tracePart(task, { tp, sp, microBatch: most }, name, layer, policy);
    traced.set(key, found);
    return found;
  };
  return (kind, name, layer) => {
    const { tp, sp, cp, microBatch } = kind;
    const policy = name === 'block' ? kind.recompute : 'none';
    const key = `${tp} ${sp} ${microBatch / cp} ${name} ${layer} ${policy}`;
    const found = known.get(key);
    if (found) return found;
    // One rank has other ops than several.
    const tried = sp ? ranks.cut : ranks.whole;
    const [first, second] = tp === 1 || tried.includes(tp) ? [tp, tp] : [tried.at(-2)!, tried.at(-1)!];
    const [a, b] = [sample(first, sp, name, layer, policy), sample(second, sp, name, layer, policy)];
    const share = microBatch / cp / most;
    const along = first === second ? 0 : (1 / first - 1 / tp) / (1 / first - 1 / second);
    const pass = (from: SampledPass, to: SampledPass): SampledPass => {
      const at = (of: keyof SampledPass): number => Math.max(0, from[of] + along * (to[of] - from[of])) * share;
      const slack = roundedUp * (1 + along) * share;
      return {
        kernels: Math.min(from.kernels, to.kernels),
        others: Math.min(from.others, to.others),
        floats: at('floats'),
        bytes: at('bytes'),
        peak: Math.max(0, at('peak') - slack),
        net: Math.max(0, at('net') - slack),
      };
    };
    const made = {
      forward: pass(a.forward, b.forward),
      backward: pass(a.backward, b.backward),
      attention: a.attention,
    };
    known.set(key, made);
    return made;
  };
}

/** Parts are traced on so many ranks of tp: those that layouts have inside nodes, where bounds have to be close. */
const mostTraced = 16;

/** Bytes by which rounding sizes up to whole lines of memory can have made what is held look larger: of a few hundred activations. */
const roundedUp = 512 * alignment;

function tracePart(
  task: SearchTask,
  { tp, sp, microBatch }: Pick<Kind, 'tp' | 'sp' | 'microBatch'>,
  name: PartName,
  layer: number,
  policy: RecomputePolicy,
): PartSample {
  const kind: Kind = { tp, sp, cp: 1, cpMode: 'ring', ep: 1, microBatch, recompute: policy };
  const settings = stepSettings({ ...task, layout: kindLayout(kind), microBatch, microbatches: 1 });
  const part = summariesFor(settings, widthsOf(task.formats)).part(name, layer, policy);
  const attention = part.forward.kernels.find(({ kernel }) => kernel.kind === 'attention')?.kernel;
  return {
    forward: passOf(part.forward, task),
    backward: passOf(part.backward, task),
    attention:
      attention?.kind === 'attention'
        ? { ...attention, batch: 1, heads: attention.heads * tp, kvHeads: attention.kvHeads * tp }
        : undefined,
  };
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
