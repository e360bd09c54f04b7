// What a step takes and holds at least, whatever way its grid is cut into stages: known without tracing anything.
import type { Zero } from '../../mesh/layout.ts';
import type { TrainingCosts } from '../training/costs.ts';
import { allSeconds } from '../training/run-seconds.ts';
import { type Software, widthsOf } from '../training/scenario.ts';
import { bufferBytes } from '../training/stage-memory.ts';
import { dataSeconds } from '../training/stage-time.ts';
import type { LeastCut } from './least-cuts.ts';
import type { LeastKernels } from './least-kernels.ts';
import { leastState } from './least-memory.ts';
import type { LeastPart, PartsOfKind } from './least-parts.ts';
import type { AlikeLayers } from './least-products.ts';
import { finishingTalk } from './least-talk.ts';
import type { StepFigures } from './objective.ts';
import type { PartElements } from './part-elements.ts';
import type { Grid, Kind, SearchTask, SharedGrid, Sharing } from './task.ts';
import type { TensorSeconds } from './tensor-seconds.ts';

/** Seconds of a microbatch at least. */
export interface LeastWork {
  /** Of all layers, with the embedding and the head. */
  readonly forward: number;
  readonly backward: number;
  /** Of backward, what the layers before wait for: ZB-H1 leaves gradients of weights for later. */
  readonly inputGradient: number;
  /** Of any one layer: forward, and both ways. */
  readonly layer: { readonly forward: number; readonly both: number };
  /** Both ways. */
  readonly head: number;
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
    return { ...alike, forward: forward + talk.forward, backward: input + weightGradient, inputGradient: input };
  });

export const withAttention = (all: readonly LayerWork[], kind: Kind, kernels: LeastKernels): LayerWork[] =>
  all.map((work) => {
    const { forward, backward } = kernels.attention(kind, work.layer);
    const back = backward + (kind.recompute === 'full' ? forward : 0);
    return {
      ...work,
      forward: work.forward + forward,
      backward: work.backward + back,
      inputGradient: work.inputGradient + back,
    };
  });

/** `head`: both ways. */
export function workOfLayers(all: readonly LayerWork[], head: number): LeastWork {
  const sum = { forward: 0, backward: head, inputGradient: 0 };
  const layer = { forward: Number.POSITIVE_INFINITY, both: Number.POSITIVE_INFINITY };
  for (const { count, forward, backward, inputGradient } of all) {
    sum.forward += count * forward;
    sum.backward += count * backward;
    sum.inputGradient += count * inputGradient;
    layer.forward = Math.min(layer.forward, forward);
    layer.both = Math.min(layer.both, forward + backward);
  }
  return { ...sum, layer, head };
}

/** Of all that parts do; `inputGradient`: known to be as much. */
export function leastWork(layers: readonly AlikeLayers[], { part }: PartsOfKind, inputGradient: number): LeastWork {
  let [forward, backward] = [0, 0];
  const layer = { forward: Number.POSITIVE_INFINITY, both: Number.POSITIVE_INFINITY };
  const add = (part: LeastPart, count: number): number => {
    const own = { forward: allSeconds(part.seconds('forward')), backward: allSeconds(part.seconds('backward')) };
    forward += count * own.forward;
    backward += count * own.backward;
    const both = own.forward + own.backward;
    if (part.name === 'block') {
      layer.forward = Math.min(layer.forward, own.forward);
      layer.both = Math.min(layer.both, both);
    }
    return both;
  };
  for (const { layer, count } of layers) add(part('block', layer), count);
  add(part('embedding', 0), 1);
  const head = add(part('head', 0), 1);
  return { forward, backward, inputGradient, layer, head };
}

/** The same with gradients, and parameters too, shared out: of layers alone, which are most. */
export function sharedWork(
  layers: readonly AlikeLayers[],
  work: LeastWork,
  alone: PartsOfKind,
  shared: PartsOfKind,
): LeastWork {
  let { forward, backward } = work;
  const least = { forward: Number.POSITIVE_INFINITY, both: Number.POSITIVE_INFINITY };
  for (const { layer, count } of layers) {
    const secondsOf = ({ part }: PartsOfKind, work: 'forward' | 'backward') =>
      allSeconds(part('block', layer).seconds(work));
    const own = { forward: secondsOf(shared, 'forward'), backward: secondsOf(shared, 'backward') };
    forward += count * (own.forward - secondsOf(alone, 'forward'));
    backward += count * (own.backward - secondsOf(alone, 'backward'));
    least.forward = Math.min(least.forward, own.forward);
    least.both = Math.min(least.both, own.forward + own.backward);
  }
  return { ...work, forward, backward, layer: least };
}

/** A rank's parameters of any layer at least, and of the embedding. */
export interface FirstElements {
  readonly layer: PartElements;
  readonly embedding: PartElements;
}

/** Bytes from step to step: of any layer, and of what is before them. */
export interface FirstState {
  readonly layer: number;
  readonly embedding: number;
}

/** Of a rank of the first stage at least. */
export function firstState(
  { formats }: SearchTask,
  grid: Grid,
  sharing: Sharing,
  { layer, embedding }: FirstElements,
): FirstState {
  const bytesOf = (elements: PartElements): number => {
    const { weights, gradients, optimizer } = leastState(elements, { grid, zero: sharing || 1 }, widthsOf(formats));
    return weights + gradients + optimizer;
  };
  return { layer: bytesOf(layer), embedding: bytesOf(embedding) };
}

/** What a grid's bounds are made of: ways to cut its layers, and of a layer's activations the bytes that are kept of each microbatch. */
export interface Cutting {
  readonly grid: Grid;
  readonly cuts: readonly LeastCut[];
  readonly state: FirstState;
  readonly kept: number;
  readonly usableBytes: number;
}

/**
 * By the way to cut layers that takes least, of those of which the first stage fits; undefined: of none. `work` and `after` are asked for if there are
 * any.
 */
export function leastGrid(
  { grid, cuts, state, kept, usableBytes }: Cutting,
  software: Software,
  work: () => LeastWork,
  after: () => FinishingSeconds = nothingAfter,
): StepFigures | undefined {
  let [stepSeconds, memoryBytes] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  let known: { readonly work: LeastWork; readonly after: FinishingSeconds } | undefined;
  for (const cut of cuts) {
    const activations = cut.firstKept * kept;
    const bytes = state.embedding + cut.first * state.layer + activations + bufferBytes(activations, software);
    if (bytes > usableBytes) continue;
    memoryBytes = Math.min(memoryBytes, bytes);
    known ??= { work: work(), after: after() };
    stepSeconds = Math.min(stepSeconds, cutSeconds(grid, cut, known.work, known.after));
  }
  return memoryBytes < Number.POSITIVE_INFINITY ? { stepSeconds, computeSeconds: 0, memoryBytes } : undefined;
}

function cutSeconds(
  { pp, microbatches }: Grid,
  { isOneChunk, last, others, meanBefore }: LeastCut,
  { forward, backward, inputGradient, layer, head }: LeastWork,
  after: FinishingSeconds,
): number {
  // In one chunk a stage, ZB-H1 leaves gradients of weights for later, and may have nothing to wait for at its end.
  const around = isOneChunk ? layer.forward : layer.both;
  const back = isOneChunk && pp > 1 ? inputGradient : backward;
  const mean = (microbatches * (forward + backward)) / pp + meanBefore * around;
  // A microbatch goes through all layers both ways, and all of them through one.
  const through = forward + back + (microbatches - 1) * layer.forward;
  const ofLast = last.before * around + microbatches * (last.own * layer.both + head);
  let most = Math.max(through, ofLast);
  for (const { before, own } of others) most = Math.max(most, before * around + microbatches * own * layer.both);
  return Math.max(most + after.sure, mean + after.mean);
}

/** Seconds after the microbatches. */
export interface FinishingSeconds {
  /** On a stage that has as much to do as all of them on average. */
  readonly mean: number;
  /** Whatever hides them. */
  readonly sure: number;
}

const nothing: FinishingSeconds = { mean: 0, sure: 0 };
const nothingAfter = (): FinishingSeconds => nothing;

/** What a mean stage's last microbatch does not hide of gradients and parameters: one that does less hides less, but one that does more takes longer. */
export function leastFinishing(
  task: SearchTask,
  grid: SharedGrid,
  { forward, backward }: LeastWork,
  elements: PartElements,
  costs: () => TrainingCosts,
): FinishingSeconds {
  // Where parameters are shared out, nothing is left to be done.
  if (grid.sharing === 3) return nothing;
  const zeros: readonly Zero[] = grid.sharing === 0 ? [0, 1] : [grid.sharing];
  let [mean, sure] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (const zero of zeros) {
    const talk = finishingTalk(task, grid, zero, elements);
    const beside = (window: TalkWindow) => dataSeconds(talk, costs(), task.software, window).exposed;
    mean = Math.min(mean, beside({ forward: forward / grid.pp, backward: backward / grid.pp }));
    sure = Math.min(sure, beside(everything));
  }
  return { mean, sure };
}

/** Seconds of the kernels of a microbatch. */
interface TalkWindow {
  readonly forward: number;
  readonly backward: number;
}

const everything: TalkWindow = { forward: Number.POSITIVE_INFINITY, backward: Number.POSITIVE_INFINITY };
