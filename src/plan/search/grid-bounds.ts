// What a step takes and holds at least, whatever way its grid is cut into stages: known without tracing anything.
import type { Zero } from '../../mesh/layout.ts';
import type { TrainingCosts } from '../training/costs.ts';
import { allSeconds } from '../training/run-seconds.ts';
import { type Software, widthsOf } from '../training/scenario.ts';
import { memoryOf } from '../training/stage-memory.ts';
import { dataSeconds } from '../training/stage-time.ts';
import type { LeastCut, StageLayers } from './least-cuts.ts';
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

/** Of products and attention, and of the talk over tp what they do not hide. */
export function leastProductWork(
  layers: readonly AlikeLayers[],
  kind: Kind,
  kernels: LeastKernels,
  talk: TensorSeconds,
): LeastWork {
  const head = kernels.head(kind);
  const all = { forward: 0, backward: head, inputGradient: 0 };
  const least = { forward: Number.POSITIVE_INFINITY, both: Number.POSITIVE_INFINITY };
  const isFull = kind.recompute === 'full';
  for (const { layer, count } of layers) {
    const { inputGradient, weightGradient, again, ...products } = kernels.products(kind, layer);
    const attention = kernels.attention(kind, layer);
    const forward = products.forward + attention.forward + talk.forward;
    const anew = isFull ? again + attention.forward : 0;
    const input = inputGradient + attention.backward + anew + talk.backward;
    const backward = input + weightGradient;
    all.inputGradient += count * input;
    all.forward += count * forward;
    all.backward += count * backward;
    least.forward = Math.min(least.forward, forward);
    least.both = Math.min(least.both, forward + backward);
  }
  return { ...all, layer: least, head };
}

/** Of all that parts do; `inputGradient`: known to be as much. */
export function leastWork(
  layers: readonly AlikeLayers[],
  { part, seconds }: PartsOfKind,
  inputGradient: number,
): LeastWork {
  let [forward, backward] = [0, 0];
  const layer = { forward: Number.POSITIVE_INFINITY, both: Number.POSITIVE_INFINITY };
  const add = (part: LeastPart, count: number): number => {
    const own = { forward: allSeconds(seconds(part, 'forward')), backward: allSeconds(seconds(part, 'backward')) };
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
    const secondsOf = ({ part, seconds }: PartsOfKind, work: 'forward' | 'backward') =>
      allSeconds(seconds(part('block', layer), work));
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

/** Ways to cut layers into stages. */
export interface FittingCuts {
  readonly cuts: readonly LeastCut[];
  /** Bytes of the first stage of the one that holds least. */
  readonly bytes: number;
  /** Layers of the stage that has fewest. */
  readonly least: number;
}

/** Those of which the first stage fits, with so many bytes of a layer's activations kept of each microbatch; undefined: none. */
export function cutsThatFit(
  all: readonly LeastCut[],
  { layer, embedding }: FirstState,
  kept: number,
  usableBytes: number,
  software: Software,
): FittingCuts | undefined {
  let [bytes, least] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  const cuts: LeastCut[] = [];
  for (const cut of all) {
    const state = { weights: embedding + cut.first * layer, gradients: 0, optimizer: 0 };
    const held = memoryOf(state, cut.firstKept * kept, software).total;
    if (held > usableBytes) continue;
    cuts.push(cut);
    bytes = Math.min(bytes, held);
    least = Math.min(least, cut.least);
  }
  return cuts.length > 0 ? { cuts, bytes, least } : undefined;
}

/** Of a grid, by the way to cut its layers that takes least. */
export function leastGrid(
  { pp, microbatches }: Grid,
  { cuts, bytes }: FittingCuts,
  { forward, backward, inputGradient, layer, head }: LeastWork,
  after: FinishingSeconds = nothingAfter,
): StepFigures {
  const mean = (microbatches * (forward + backward)) / pp + after.mean;
  // A microbatch goes through all layers both ways, and all of them through one.
  const rest = (microbatches - 1) * layer.forward + after.sure;
  let seconds = Number.POSITIVE_INFINITY;
  for (const { isOneChunk, last, others, meanBefore } of cuts) {
    // In one chunk a stage, ZB-H1 leaves gradients of weights for later, and may have nothing to wait for at its end.
    const around = isOneChunk ? layer.forward : layer.both;
    const back = isOneChunk && pp > 1 ? inputGradient : backward;
    const ofStage = ({ before, own }: StageLayers): number =>
      before * around + microbatches * own * layer.both + after.sure;
    let most = Math.max(forward + back + rest, mean + meanBefore * around);
    most = Math.max(most, ofStage(last) + microbatches * head);
    for (const stage of others) most = Math.max(most, ofStage(stage));
    seconds = Math.min(seconds, most);
  }
  return { stepSeconds: seconds, computeSeconds: 0, memoryBytes: bytes };
}

/** Seconds after the microbatches. */
export interface FinishingSeconds {
  /** On a stage that has as much to do as all of them on average. */
  readonly mean: number;
  /** Whatever hides them. */
  readonly sure: number;
}

const nothingAfter: FinishingSeconds = { mean: 0, sure: 0 };

/** What a mean stage's last microbatch does not hide of gradients and parameters: one that does less hides less, but one that does more takes longer. */
export function leastFinishing(
  task: SearchTask,
  grid: SharedGrid,
  { forward, backward }: LeastWork,
  elements: PartElements,
  costs: TrainingCosts,
): FinishingSeconds {
  const zeros: readonly Zero[] = grid.sharing === 0 ? [0, 1] : [grid.sharing];
  let [mean, sure] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (const zero of zeros) {
    const talk = finishingTalk(task, grid, zero, elements);
    const beside = (window: TalkWindow) => dataSeconds(talk, costs, task.software, window).exposed;
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
