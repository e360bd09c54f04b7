// What a step takes and holds at least, whatever way its grid is cut into stages: known without tracing anything.
import type { Zero } from '../../mesh/layout.ts';
import { type CostModel, trainingCosts } from '../training/costs.ts';
import { widthsOf } from '../training/scenario.ts';
import { dataSeconds } from '../training/stage-time.ts';
import { leastKept } from './least-kept.ts';
import { leastState, type PartElements } from './least-memory.ts';
import { tokensOf } from './least-products.ts';
import { finishingTalk } from './least-talk.ts';
import type { LeastWork } from './least-work.ts';
import { type Grid, type SearchTask, type SharedGrid, sharedLayout } from './task.ts';

/** The mean over stages of what precedes and follows their work, and all layers dealt out evenly. */
export function leastGridSeconds(
  { config }: SearchTask,
  { pp, microbatches }: Grid,
  { layers, head }: LeastWork,
): number {
  let work = head;
  let [forward, both] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (const { count, each } of layers) {
    work += count * (each.forward + each.backward);
    forward = Math.min(forward, each.forward);
    both = Math.min(both, each.forward + each.backward);
  }
  // A chunk has a layer at least. In one chunk a stage, ZB-H1 may have nothing to wait for at its end.
  const around = ((pp - 1) / 2) * Math.min(both, Math.floor(config.layers / pp) * forward);
  return Math.max(
    (microbatches * work) / pp + around,
    microbatches * Math.ceil(config.layers / pp) * both,
    // A microbatch goes through all layers both ways, and all of them through one.
    work + (microbatches - 1) * forward,
  );
}

/** What no mean stage's last microbatch hides of gradients and parameters: less hides less, but takes as much less itself. */
export function leastFinishingSeconds(
  task: SearchTask,
  grid: SharedGrid,
  { layers, head }: LeastWork,
  elements: PartElements,
  model: CostModel,
): number {
  const { pp, kind, microbatches } = grid;
  let [forward, backward] = [0, head];
  for (const { count, each } of layers) {
    forward += count * each.forward;
    backward += count * each.backward;
  }
  const window = { forward: forward / pp, backward: backward / pp };
  const scenario = { ...task, layout: sharedLayout(grid), microBatch: kind.microBatch, microbatches };
  const costs = trainingCosts(scenario, model);
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

/** Of the first stage, with as much shared out, and what its layers keep of the microbatches that are under way. */
export function leastGridBytes(task: SearchTask, grid: SharedGrid, elements: PartElements): number {
  const { config, formats } = task;
  const { kind, pp, microbatches } = grid;
  const widths = widthsOf(formats);
  const zero = grid.sharing === 0 ? 1 : grid.sharing;
  const { weights, gradients, optimizer } = leastState(elements, { grid, zero }, widths);
  const kept = leastKept(task, kind) * tokensOf(task, kind) * widths.activations;
  return weights + gradients + optimizer + Math.min(pp, microbatches) * leastLayers(config.layers, pp) * kept;
}
