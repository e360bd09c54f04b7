// What a step takes and holds at least, whatever way its grid is cut into stages: known without tracing anything.
import type { Zero } from '../../mesh/layout.ts';
import { once } from '../../step/once.ts';
import type { Software } from '../software/software.ts';
import type { TrainingCosts } from '../training/costs.ts';
import { widthsOf } from '../training/scenario.ts';
import { bufferBytes } from '../training/stage-memory.ts';
import { dataTalk, type TalkWindow } from '../training/stage-time.ts';
import type { LeastCut } from './least-cuts.ts';
import { leastState } from './least-memory.ts';
import { finishingTalk } from './least-talk.ts';
import type { LeastWork } from './least-work.ts';
import type { StepFigures } from './objective.ts';
import { addElements, type PartElements } from './part-elements.ts';
import { foldedSize, type Grid, type SearchTask, type SharedGrid, type Sharing } from './task.ts';

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

/** Of a rank of the first stage at least. `onHost`: what the optimizer works on. */
export function firstState(
  { formats }: SearchTask,
  grid: Grid,
  sharing: Sharing,
  { layer, embedding }: FirstElements,
  onHost: boolean,
): FirstState {
  const bytesOf = (elements: PartElements): number => {
    const { weights, gradients, optimizer } = leastState(elements, { grid, zero: sharing || 1 }, widthsOf(formats));
    return weights + gradients + (onHost ? 0 : optimizer);
  };
  return { layer: bytesOf(layer), embedding: bytesOf(embedding) };
}

/** Of any grid of a kind at least: a stage does as much as all of them do on average, and of as many more microbatches as there are more stages. */
export function evenGrid(grid: Grid, { forward, backward }: LeastWork): StepFigures {
  const { stages, microbatches } = foldedSize(grid);
  return { stepSeconds: (microbatches / stages) * (forward + backward), computeSeconds: 0, memoryBytes: 0 };
}

/** What a grid's ways to cut its layers are bounded by; `kept`: bytes of a layer's activations that are kept of each microbatch. */
export interface CutBy {
  readonly grid: Grid;
  readonly state: FirstState;
  readonly kept: number;
  readonly usableBytes: number;
}

/**
 * By the way to cut layers that takes least, of those of which the first stage fits; undefined: of none. `work` and `after` are asked for if there are
 * any.
 */
export function leastGrid(
  cuts: readonly LeastCut[],
  { grid, state, kept, usableBytes }: CutBy,
  software: Software,
  work: () => LeastWork,
  after: () => (layers: number) => FinishingSeconds = () => nothingAfter,
): StepFigures | undefined {
  const size = foldedSize(grid);
  let stepSeconds = Number.POSITIVE_INFINITY;
  let memoryBytes = Number.POSITIVE_INFINITY;
  let known: { readonly work: LeastWork; readonly after: (layers: number) => FinishingSeconds } | undefined;
  for (const cut of cuts) {
    const activations = cut.firstKept * kept;
    const bytes = state.embedding + cut.first * state.layer + activations + bufferBytes(activations, software);
    if (bytes > usableBytes) continue;
    memoryBytes = Math.min(memoryBytes, bytes);
    known ??= { work: work(), after: after() };
    stepSeconds = Math.min(stepSeconds, cutSeconds(size, cut, known.work, known.after));
  }
  return memoryBytes < Number.POSITIVE_INFINITY ? { stepSeconds, computeSeconds: 0, memoryBytes } : undefined;
}

function cutSeconds(
  { stages, microbatches }: ReturnType<typeof foldedSize>,
  { inHalves, last, others, meanBefore, least }: LeastCut,
  { forward, backward, inputGradient, layer, head }: LeastWork,
  after: (layers: number) => FinishingSeconds,
): number {
  const { mean, sure } = after(least);
  // Gradients of weights that are left for later may leave nothing to wait for at the end.
  const around = inHalves ? layer.forward : layer.both;
  const back = inHalves ? inputGradient : backward;
  const ofMean = (microbatches * (forward + backward)) / stages + meanBefore * around + mean;
  // A microbatch goes through all layers both ways, and all of them (that go its way) through one.
  const through = forward + back + (microbatches - 1) * layer.forward;
  const ofLast = last.before * around + microbatches * (last.own * layer.both + head);
  let most = Math.max(ofMean, through + sure, ofLast + sure);
  const eachWay = layer.forward + layer.backward;
  for (const { before, own } of others)
    most = Math.max(most, before * around + microbatches * own * eachWay + after(own).own);
  return most;
}

/** Seconds after the microbatches, of a stage with so many layers. */
export interface FinishingSeconds {
  /** If it has as much to do as all stages on average. */
  readonly mean: number;
  /** If it has no more to do than these. */
  readonly own: number;
  /** Whatever hides them. */
  readonly sure: number;
}

const nothing: FinishingSeconds = { mean: 0, own: 0, sure: 0 };
const nothingAfter = (): FinishingSeconds => nothing;

/** What the last microbatch does not hide of gradients and parameters: a stage that does less hides less, but one that does more takes longer. */
export function leastFinishing(
  task: SearchTask,
  grid: SharedGrid,
  { forward, backward, layer }: LeastWork,
  elements: PartElements,
  costs: () => TrainingCosts,
): (layers: number) => FinishingSeconds {
  // Where parameters are shared out, nothing is left to be done.
  if (grid.sharing === 3) return nothingAfter;
  const zeros: readonly Zero[] = grid.sharing === 0 ? [0, 1] : [grid.sharing];
  const { stages } = foldedSize(grid);
  return once((layers: number) => {
    let [mean, sure, own] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
    for (const zero of zeros) {
      const talk = finishingTalk(task, grid, zero, addElements([{ each: elements, count: layers }]));
      const { exposed } = dataTalk(talk, costs(), task.software);
      mean = Math.min(mean, exposed({ forward: forward / stages, backward: backward / stages }));
      own = Math.min(own, exposed({ forward: layers * layer.forward, backward: layers * layer.backward }));
      sure = Math.min(sure, exposed(everything));
    }
    return { mean, own, sure };
  });
}

const everything: TalkWindow = { forward: Number.POSITIVE_INFINITY, backward: Number.POSITIVE_INFINITY };
