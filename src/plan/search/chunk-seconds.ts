// What the stages of a way to cut layers take for a microbatch, by what their chunks do.
import { allSeconds } from '../training/run-seconds.ts';
import { withHidden } from '../training/side-by-side.ts';
import type { TalkWindow } from '../training/stage-time.ts';
import type { Chunk } from './known-kind.ts';
import { foldedSize, type Grid, placesOf, type RuledSchedule } from './task.ts';

/** Of a plan's chunks, by virtual stage and by stage. */
export interface ChunkSeconds {
  readonly forward: Float64Array;
  readonly backward: Float64Array;
  readonly all: readonly Chunk[];
  /** What runs beside the talk of gradients and parameters: kernels of one microbatch. */
  readonly kernels: (stage: number) => TalkWindow;
  /** At most: all that is done of one, whatever is beside it. */
  readonly works: (stage: number) => TalkWindow;
  /** The same of backwards in halves. */
  readonly halves: (stage: number) => TalkWindow;
  /** Of the stage that has least. Halves hide less talk, which slows kernels, than a backward does that is whole. */
  readonly leastKernels: (schedule: RuledSchedule) => number;
}

export function chunkSeconds(grid: Grid, all: readonly Chunk[]): ChunkSeconds {
  const count = all.length;
  const [forward, backward] = [new Float64Array(count), new Float64Array(count)];
  for (let at = 0; at < count; at++) {
    const chunk = all[at]!;
    forward[at] = chunk.forward;
    backward[at] = chunk.backward;
  }
  const sumOf = (stage: number, of: (at: number) => number): number => {
    let sum = 0;
    for (const at of placesOf(grid, stage, count)) sum += of(at);
    return sum;
  };
  const hiding = (pass: 'forward' | 'backward') => (at: number) => allSeconds(withHidden(all[at]!.apart(pass), 1));
  return {
    forward,
    backward,
    all,
    kernels: (stage) => ({
      forward: sumOf(stage, (at) => all[at]!.compute.forward),
      backward: sumOf(stage, (at) => all[at]!.compute.backward),
    }),
    works: (stage) => ({
      forward: sumOf(stage, grid.isBothWays ? hiding('forward') : (at) => forward[at]!),
      backward: sumOf(stage, grid.isBothWays ? hiding('backward') : (at) => backward[at]!),
    }),
    halves: (stage) => ({
      forward: sumOf(stage, (at) => forward[at]!),
      backward: sumOf(stage, (at) => all[at]!.halves.inputGradient + all[at]!.halves.weightGradient),
    }),
    leastKernels(schedule) {
      const kernelsOf = (at: number): number => {
        const { compute, halves, apart } = all[at]!;
        if (schedule === 'dualpipe')
          return apart('forward').compute + Math.min(apart('backward').compute, halves.compute);
        return compute.forward + (schedule === 'zb-h1' ? halves.compute : compute.backward);
      };
      const { stages } = foldedSize(grid);
      return Math.min(...Array.from({ length: stages }, (_, stage) => sumOf(stage, kernelsOf)));
    },
  };
}
