// Seconds of a microbatch at least, of all layers and of any one of them: by products, with attention, by all that parts do, and with what is shared out.
import { allSeconds } from '../training/run-seconds.ts';
import { withHidden } from '../training/side-by-side.ts';
import type { LeastKernels } from './least-kernels.ts';
import type { LeastPart, PartsOfKind } from './least-parts.ts';
import type { AlikeLayers } from './least-products.ts';
import type { Kind } from './task.ts';
import type { TensorSeconds } from './tensor-seconds.ts';

export interface LeastLayer {
  readonly forward: number;
  readonly backward: number;
  readonly both: number;
}

/** Of the same layers and one more. */
const leastOf = (least: LeastLayer, forward: number, backward: number): LeastLayer => ({
  forward: Math.min(least.forward, forward),
  backward: Math.min(least.backward, backward),
  both: Math.min(least.both, forward + backward),
});

const noLayer: LeastLayer = {
  forward: Number.POSITIVE_INFINITY,
  backward: Number.POSITIVE_INFINITY,
  both: Number.POSITIVE_INFINITY,
};

/** Seconds of a microbatch at least. */
export interface LeastWork {
  /** Of all layers, with the embedding and the head. */
  readonly forward: number;
  readonly backward: number;
  /** Of backward, what the layers before wait for: ZB-H1 leaves gradients of weights for later. */
  readonly inputGradient: number;
  /** Of any one layer, each way and both. */
  readonly layer: LeastLayer;
  /** Of layers that are built alike, both ways of each. */
  readonly each: readonly AlikeSeconds[];
  /** Both ways. */
  readonly head: number;
}

export interface AlikeSeconds {
  readonly count: number;
  readonly both: number;
}

/** Of so many of them, those that take least. */
export function quickest(each: readonly AlikeSeconds[], layers: number): number {
  let [sum, left] = [0, layers];
  for (const { count, both } of each.length > 1 ? each.toSorted((a, b) => a.both - b.both) : each) {
    const taken = Math.min(left, count);
    sum += taken * both;
    left -= taken;
  }
  return sum;
}

/** Of layers that are built alike: seconds of each, as in `LeastWork`. */
export interface LayerWork extends AlikeLayers {
  readonly forward: number;
  readonly backward: number;
  readonly inputGradient: number;
}

/** Of products, and of the talk over tp what kernels do not hide. */
export const productWork = (
  layers: readonly AlikeLayers[],
  kind: Kind,
  kernels: LeastKernels,
  talk: TensorSeconds,
): LayerWork[] =>
  layers.map((alike) => {
    const { forward, inputGradient, weightGradient, again } = kernels.products(kind, alike.layer);
    const input = inputGradient + (kind.recompute === 'full' ? again : 0) + talk.backward;
    const { layer, count } = alike;
    return { layer, count, forward: forward + talk.forward, backward: input + weightGradient, inputGradient: input };
  });

export const withAttention = (all: readonly LayerWork[], kind: Kind, kernels: LeastKernels): LayerWork[] =>
  all.map((work) => {
    const { forward, backward } = kernels.attention(kind, work.layer);
    const back = backward + (kind.recompute === 'full' ? forward : 0);
    const { layer, count } = work;
    return {
      layer,
      count,
      forward: work.forward + forward,
      backward: work.backward + back,
      inputGradient: work.inputGradient + back,
    };
  });

/** `head`: both ways. */
export function workOfLayers(all: readonly LayerWork[], head: number): LeastWork {
  const sum = { forward: 0, backward: head, inputGradient: 0 };
  let layer = noLayer;
  for (const { count, forward, backward, inputGradient } of all) {
    sum.forward += count * forward;
    sum.backward += count * backward;
    sum.inputGradient += count * inputGradient;
    layer = leastOf(layer, forward, backward);
  }
  const each = all.map(({ count, forward, backward }) => ({ count, both: forward + backward }));
  return { ...sum, layer, each, head };
}

/** Seconds of a part at least. */
export type LeastSeconds = (part: LeastPart, work: 'forward' | 'backward') => number;

export const aloneSeconds: LeastSeconds = ({ seconds }, work) => allSeconds(seconds(work));

/** Whether side by side with other work or not. */
export const besideSeconds: LeastSeconds = ({ seconds, apart }, work) =>
  Math.min(allSeconds(seconds(work)), allSeconds(withHidden(apart(work), 1)));

/** Of all that parts do; `inputGradient`: known to be as much. */
export function leastWork(
  layers: readonly AlikeLayers[],
  { part }: PartsOfKind,
  inputGradient: number,
  secondsOf: LeastSeconds,
): LeastWork {
  let [forward, backward] = [0, 0];
  let layer = noLayer;
  const add = (part: LeastPart, count: number): number => {
    const own = { forward: secondsOf(part, 'forward'), backward: secondsOf(part, 'backward') };
    forward += count * own.forward;
    backward += count * own.backward;
    if (part.name === 'block') layer = leastOf(layer, own.forward, own.backward);
    return own.forward + own.backward;
  };
  const each = layers.map(({ layer, count }) => ({ count, both: add(part('block', layer), count) }));
  add(part('embedding', 0), 1);
  const head = add(part('head', 0), 1);
  return { forward, backward, inputGradient, layer, each, head };
}

/** The same with gradients, and parameters too, shared out: of layers alone, which are most. */
export function sharedWork(
  layers: readonly AlikeLayers[],
  work: LeastWork,
  alone: PartsOfKind,
  shared: PartsOfKind,
  secondsOf: LeastSeconds,
): LeastWork {
  let { forward, backward } = work;
  let least = noLayer;
  const each: AlikeSeconds[] = [];
  for (const { layer, count } of layers) {
    const of = ({ part }: PartsOfKind, work: 'forward' | 'backward') => secondsOf(part('block', layer), work);
    const own = { forward: of(shared, 'forward'), backward: of(shared, 'backward') };
    forward += count * (own.forward - of(alone, 'forward'));
    backward += count * (own.backward - of(alone, 'backward'));
    least = leastOf(least, own.forward, own.backward);
    each.push({ count, both: own.forward + own.backward });
  }
  return { ...work, forward, backward, layer: least, each };
}
