// What a step takes and holds at least, whatever way its grid is cut into stages: known without tracing anything.
import type { Zero } from '../../mesh/layout.ts';
import type { TrainingCosts } from '../training/costs.ts';
import { allSeconds } from '../training/run-seconds.ts';
import { widthsOf } from '../training/scenario.ts';
import { dataSeconds } from '../training/stage-time.ts';
import { leastState } from './least-memory.ts';
import type { LeastPart, PartsOfKind } from './least-parts.ts';
import type { AlikeLayers, ProductSeconds } from './least-products.ts';
import { finishingTalk } from './least-talk.ts';
import type { PartElements } from './part-elements.ts';
import type { Grid, Kind, SearchTask, SharedGrid } from './task.ts';
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
}

/** Of products, and of the talk over tp what they do not hide. */
export function leastProductWork(
  layers: readonly AlikeLayers[],
  kind: Kind,
  productsOf: (kind: Kind, layer: number) => ProductSeconds,
  talk: TensorSeconds,
): LeastWork {
  const all = { forward: 0, backward: 0, inputGradient: 0 };
  const least = { forward: Number.POSITIVE_INFINITY, both: Number.POSITIVE_INFINITY };
  for (const { layer, count } of layers) {
    const { inputGradient, weightGradient, again, ...products } = productsOf(kind, layer);
    const forward = products.forward + talk.forward;
    const input = inputGradient + (kind.recompute === 'full' ? again : 0) + talk.backward;
    const backward = input + weightGradient;
    all.inputGradient += count * input;
    all.forward += count * forward;
    all.backward += count * backward;
    least.forward = Math.min(least.forward, forward);
    least.both = Math.min(least.both, forward + backward);
  }
  return { ...all, layer: least };
}

/** Of all that parts do. */
export function leastWork(layers: readonly AlikeLayers[], { part, seconds }: PartsOfKind): LeastWork {
  const all = { forward: 0, backward: 0, inputGradient: 0 };
  const least = { forward: Number.POSITIVE_INFINITY, both: Number.POSITIVE_INFINITY };
  const add = (part: LeastPart, count: number) => {
    const forward = allSeconds(seconds(part, 'forward'));
    const backward = allSeconds(seconds(part, 'backward'));
    all.forward += count * forward;
    all.backward += count * backward;
    all.inputGradient += count * allSeconds(seconds(part, 'inputGradient'));
    if (part.name !== 'block') return;
    least.forward = Math.min(least.forward, forward);
    least.both = Math.min(least.both, forward + backward);
  };
  for (const { layer, count } of layers) add(part('block', layer), count);
  add(part('embedding', 0), 1);
  add(part('head', 0), 1);
  return { ...all, layer: least };
}

/** The mean over stages of what precedes and follows their work, and all layers dealt out evenly. */
export function leastGridSeconds(
  { config }: SearchTask,
  { pp, microbatches }: Grid,
  { forward, backward, inputGradient, layer }: LeastWork,
): number {
  const work = forward + backward;
  // A chunk has a layer at least. In one chunk a stage, ZB-H1 may have nothing to wait for at its end.
  const around = ((pp - 1) / 2) * Math.min(layer.both, Math.floor(config.layers / pp) * layer.forward);
  return Math.max(
    (microbatches * work) / pp + around,
    microbatches * Math.ceil(config.layers / pp) * layer.both,
    // A microbatch goes through all layers both ways, and all of them through one.
    forward + (pp === 1 ? backward : inputGradient) + (microbatches - 1) * layer.forward,
  );
}

/** What no mean stage's last microbatch hides of gradients and parameters: less hides less, but takes as much less itself. */
export function leastFinishingSeconds(
  task: SearchTask,
  grid: SharedGrid,
  { forward, backward }: LeastWork,
  elements: PartElements,
  costs: TrainingCosts,
): number {
  const window = { forward: forward / grid.pp, backward: backward / grid.pp };
  const zeros: readonly Zero[] = grid.sharing === 0 ? [0, 1] : [grid.sharing];
  return Math.min(
    ...zeros.map(
      (zero) => dataSeconds(finishingTalk(task, grid, zero, elements), costs, task.software, window).exposed,
    ),
  );
}

/** Layers that every stage has: where they do not divide, chunks may be short of one each, but no stage of more than one more than others. */
export const leastLayers = (layers: number, pp: number): number =>
  pp === 1 ? layers : Math.max(1, Math.floor(layers / pp) - 1);

/** Of the first stage, with as much shared out, and what its layers keep of the microbatches that are under way: `kept` bytes each. */
export function leastGridBytes(task: SearchTask, grid: SharedGrid, elements: PartElements, kept: number): number {
  const { config, formats } = task;
  const { pp, microbatches } = grid;
  const zero = grid.sharing === 0 ? 1 : grid.sharing;
  const { weights, gradients, optimizer } = leastState(elements, { grid, zero }, widthsOf(formats));
  return weights + gradients + optimizer + Math.min(pp, microbatches) * leastLayers(config.layers, pp) * kept;
}
