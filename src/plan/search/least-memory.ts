// What a rank of a stage holds at least: its parameters by their specs, and the activations of the microbatches that its schedule has under way.
import type { Layout, ScheduleName } from '../../mesh/layout.ts';
import { paramSpecs, shardShape, type Part } from '../../model/params.ts';
import { isTied } from '../../model/stages.ts';
import { elements } from '../../program/program.ts';
import { groupsOf } from '../../schedule/interleaved.ts';
import type { StateBytes, Widths } from '../summary/summary.ts';
import type { Chunk } from './known-kind.ts';
import { type Grid, kindLayout, type Leaf, type SearchTask } from './task.ts';

/** Numbers of parameters that a rank has of a part. */
export interface PartElements {
  readonly shared: number;
  /** Those that ranks of ep have each their own of. */
  readonly experts: number;
}

export function partElements({ config }: SearchTask, grid: Grid, part: Part): PartElements {
  const layout: Layout = { ...kindLayout(grid.kind), pp: grid.pp };
  const all = { shared: 0, experts: 0 };
  for (const spec of paramSpecs(config, layout, part)) {
    if (spec.byLoad || (grid.pp === 1 && part.name === 'head' && isTied(config, spec))) continue;
    all[spec.types.ep === 'V0' ? 'experts' : 'shared'] += elements(shardShape(spec, layout));
  }
  return all;
}

/** What is shared out is padded to whole shares, which is left out. */
export function leastState(
  { shared, experts }: PartElements,
  { grid, zero }: Pick<Leaf, 'grid' | 'zero'>,
  widths: Widths,
): StateBytes {
  const { cp, ep } = grid.kind;
  const held = (from: number) =>
    zero < from ? shared + experts : shared / (grid.dp * cp * ep) + experts / (grid.dp * cp);
  return {
    weights: held(3) * widths.parameters,
    gradients: held(2) * widths.gradients,
    optimizer: held(1) * (2 * widths.moments + widths.master),
  };
}

/** Bytes of activations of a stage with these chunks, at the first backward of its schedule. */
export function leastActivations(
  schedule: ScheduleName,
  stage: number,
  { pp, microbatches }: Grid,
  chunks: readonly Chunk[],
): number {
  const virtual = chunks.length;
  const net = (chunk: number) => chunks[chunk]!.live('forward').net;
  if (schedule === 'zb-h1') {
    const [own] = chunks as [Chunk];
    const warm = Math.min(pp - 1 - stage, microbatches - 1);
    const late = Math.min(stage, microbatches - 1 - warm);
    const pending = late * (net(0) + own.live('inputGradient').net);
    const { forward, input } = { forward: own.live('forward'), input: own.live('inputGradient') };
    return warm * net(0) + Math.max(0, pending) + Math.max(forward.peak, forward.net + input.peak);
  }
  const before = forwardsBefore(schedule, stage, { pp, microbatches }, virtual);
  let held = 0;
  for (const [chunk, count] of before.counts.entries()) held += count * net(chunk);
  const { peak, net: left } = chunks[before.next]!.live('forward');
  return held + Math.max(peak, left + chunks[virtual - 1]!.live('backward').peak);
}

/** Forwards by chunk before the last one that precedes the first backward, and the chunk of that. */
function forwardsBefore(
  schedule: ScheduleName,
  stage: number,
  { pp, microbatches }: Pick<Grid, 'pp' | 'microbatches'>,
  virtual: number,
): { readonly counts: readonly number[]; readonly next: number } {
  const counts = Array<number>(virtual).fill(0);
  if (schedule === 'gpipe') {
    counts.fill(microbatches);
    counts[virtual - 1]!--;
    return { counts, next: virtual - 1 };
  }
  const groups = virtual === 1 ? [microbatches] : groupsOf(microbatches, pp).map((group) => group.length);
  const warm = virtual === 1 ? pp - 1 - stage : 2 * (pp - 1 - stage) + (virtual - 1) * Math.max(...groups);
  let left = Math.min(warm, microbatches * virtual - 1);
  for (const size of groups)
    for (let chunk = 0; chunk < virtual; chunk++) {
      if (left < size) {
        counts[chunk]! += left;
        return { counts, next: chunk };
      }
      counts[chunk]! += size;
      left -= size;
    }
  return { counts, next: virtual - 1 };
}
