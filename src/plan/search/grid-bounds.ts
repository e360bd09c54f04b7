// What a step takes and holds at least, whatever way its grid is cut into stages: known without tracing anything.
import type { PartElements } from './least-memory.ts';
import { leastState } from './least-memory.ts';
import type { LeastWork } from './least-work.ts';
import type { Grid, SearchTask } from './task.ts';
import { widthsOf } from '../training/scenario.ts';

/** The mean over stages of what precedes and follows their work, and all layers dealt out evenly. */
export function leastGridSeconds({ config }: SearchTask, { pp, microbatches }: Grid, { layers, head }: LeastWork): number {
  let work = head;
  let [forward, both] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (const { count, each } of layers) {
    work += count * (each.forward + each.backward);
    forward = Math.min(forward, each.forward);
    both = Math.min(both, each.forward + each.backward);
  }
  // A chunk has a layer at least. In one chunk a stage, ZB-H1 may have nothing to wait for at its end.
  const around = ((pp - 1) / 2) * Math.min(both, Math.floor(config.layers / pp) * forward);
  return Math.max((microbatches * work) / pp + around, microbatches * Math.ceil(config.layers / pp) * both);
}

/** Of the first stage, with all shared out: every layer keeps at least its input of the microbatches that are under way. */
export function leastGridBytes(
  { config, formats, seqLen }: SearchTask,
  grid: Grid,
  embedding: PartElements,
  ofLayers: readonly PartElements[],
): number {
  const { kind, pp, microbatches } = grid;
  const widths = widthsOf(formats);
  const layers = pp === 1 ? config.layers : Math.max(1, Math.floor(config.layers / pp) - 1);
  const least = (of: keyof PartElements) => Math.min(...ofLayers.map((each) => each[of]));
  const elements = {
    shared: embedding.shared + layers * least('shared'),
    experts: embedding.experts + layers * least('experts'),
  };
  const { weights, gradients, optimizer } = leastState(elements, { grid, zero: 3 }, widths);
  const tokens = (kind.microBatch * seqLen) / kind.cp / (kind.sp ? kind.tp : 1);
  const inputs = tokens * config.hiddenSize * widths.activations;
  return weights + gradients + optimizer + Math.min(pp, microbatches) * layers * inputs;
}

