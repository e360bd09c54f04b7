// What a step takes and holds at least, whatever way its grid is cut into stages: known without tracing anything.
import type { Zero } from '../../mesh/layout.ts';
import { once } from '../../step/once.ts';
import type { Software } from '../software/software.ts';
import type { TrainingCosts } from '../training/costs.ts';
import { widthsOf } from '../training/scenario.ts';
import { bufferBytes } from '../training/stage-memory.ts';
import { dataTalk, type TalkWindow } from '../training/stage-time.ts';
import type { LeastCut } from './least-cuts.ts';
import { type FirstNeed, type GivingBy, givingSeconds } from './least-giving.ts';
import { leastState } from './least-memory.ts';
import { finishingTalk } from './least-talk.ts';
import type { LeastWork } from './least-work.ts';
import type { StepFigures } from './objective.ts';
import { addElements, type PartElements } from './part-elements.ts';
import { foldedSize, type Grid, type SearchTask, type SharedGrid, type Sharing } from './task.ts';

/** A rank's parameters, of layers that are built alike and of the ends. */
export interface ModelElements {
  readonly layers: readonly { readonly each: PartElements; readonly count: number }[];
  readonly embedding: PartElements;
  readonly head: PartElements;
}

/** Bytes from step to step. */
export interface HeldBytes {
  /** On the device, whatever waits on its host. */
  readonly kept: number;
  readonly optimizer: number;
}

/** Of a rank at least. */
export interface LeastHeld {
  /** Of the first stage, if it has so many layers: whichever they are. */
  readonly first: (layers: number) => HeldBytes;
  /** Of any stage, on average: some stage holds as much. */
  readonly mean: HeldBytes;
}

export function leastHeld(
  { formats }: SearchTask,
  grid: Grid,
  sharing: Sharing,
  { layers, embedding, head }: ModelElements,
): LeastHeld {
  const bytesOf = (elements: PartElements): HeldBytes => {
    const { weights, gradients, optimizer } = leastState(elements, { grid, zero: sharing || 1 }, widthsOf(formats));
    return { kept: weights + gradients, optimizer };
  };
  const each = layers.map(({ each, count }) => ({ ...bytesOf(each), count }));
  const ends = [embedding, head].map(bytesOf) as [HeldBytes, HeldBytes];
  const lightest = (of: keyof HeldBytes) => {
    const inOrder = each.toSorted((a, b) => a[of] - b[of]);
    return (layers: number): number => {
      let [sum, left] = [ends[0][of], layers];
      for (const bytes of inOrder) {
        const count = Math.min(left, bytes.count);
        sum += count * bytes[of];
        left -= count;
      }
      return sum;
    };
  };
  const [kept, optimizer] = [lightest('kept'), lightest('optimizer')];
  const mean = (of: keyof HeldBytes): number =>
    [...each, ...ends.map((end) => ({ ...end, count: 1 }))].reduce((sum, bytes) => sum + bytes.count * bytes[of], 0) /
    foldedSize(grid).stages;
  return {
    first: once((layers) => ({ kept: kept(layers), optimizer: optimizer(layers) })),
    mean: { kept: mean('kept'), optimizer: mean('optimizer') },
  };
}

/** Of any grid of a kind at least: a stage does as much as all of them do on average, and of as many more microbatches as there are more stages. */
export function evenGrid(grid: Grid, { forward, backward }: LeastWork): StepFigures {
  const { stages, microbatches } = foldedSize(grid);
  return { stepSeconds: (microbatches / stages) * (forward + backward), computeSeconds: 0, memoryBytes: 0 };
}

/** What a grid's ways to cut its layers are bounded by. */
export interface CutBy extends GivingBy {
  readonly state: LeastHeld;
}

/**
 * By the way to cut layers that takes least, of those of which the first stage fits; undefined: of none. `work` and `after` are asked for if there are
 * any.
 */
export function leastGrid(
  cuts: readonly LeastCut[],
  by: CutBy,
  software: Software,
  work: () => LeastWork,
  after: () => (layers: number) => FinishingSeconds = () => nothingAfter,
): StepFigures | undefined {
  const size = foldedSize(by.grid);
  let stepSeconds = Number.POSITIVE_INFINITY;
  let memoryBytes = Number.POSITIVE_INFINITY;
  let known: { readonly work: LeastWork; readonly after: (layers: number) => FinishingSeconds } | undefined;
  for (const cut of cuts) {
    const need = firstNeed(cut, by, software);
    if (need.most > by.usableBytes && (!by.giving || need.least > by.usableBytes)) continue;
    known ??= { work: work(), after: after() };
    const whole = cutSeconds(size, cut, known.work, known.after);
    if (need.most <= by.usableBytes) {
      // It may still not fit, and give up something.
      memoryBytes = Math.min(memoryBytes, by.giving ? need.least : need.most);
      stepSeconds = Math.min(stepSeconds, whole);
    } else {
      memoryBytes = Math.min(memoryBytes, need.least);
      stepSeconds = Math.min(stepSeconds, Math.max(whole, givingSeconds(need, cut, by, known.work)));
    }
  }
  return memoryBytes < Number.POSITIVE_INFINITY ? { stepSeconds, computeSeconds: 0, memoryBytes } : undefined;
}

/** Bytes of the first stage, or of another one that needs more. */
function firstNeed(cut: LeastCut, { state, kept, onHost, giving }: CutBy, software: Software): FirstNeed {
  const activations = cut.firstKept * kept;
  const { kept: device, optimizer } = state.first(cut.first);
  const isLess = giving !== undefined && (giving.copyRate !== undefined || giving.anew.length > 0);
  const own = device + (onHost ? 0 : optimizer) + activations + bufferBytes(activations, software);
  const most = Math.max(own, state.mean.kept + (onHost ? 0 : state.mean.optimizer) + bufferBytes(0, software));
  const isAway = onHost || giving?.optimizer !== undefined;
  const least = Math.max(
    device +
      (isAway ? 0 : optimizer) +
      (isLess ? bufferBytes(0, software) : activations + bufferBytes(activations, software)),
    state.mean.kept + (isAway ? 0 : state.mean.optimizer) + bufferBytes(0, software),
  );
  const withBuffers = activations + bufferBytes(activations, software) - bufferBytes(0, software);
  return { most, least, own, optimizer, activations: withBuffers };
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
