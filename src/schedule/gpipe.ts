// GPipe (Huang et al. 2019): all forwards, then all backwards; simple, and every microbatch stays live.
//
//   stage 0  0 1 2 3 ..................[0 ][1 ][2 ][3 ]
//   stage 1  ..0 1 2 3 ............[0 ][1 ][2 ][3 ]....    time to the right: `2 ` is the forward of microbatch 2,
//   stage 2  ....0 1 2 3 ......[0 ][1 ][2 ][3 ]........    `[2 ]` its backward, twice as long; a dot is idle
//   stage 3  ......0 1 2 3 [0 ][1 ][2 ][3 ]............
import { buildSchedule } from './build.ts';
import type { Schedule, Work } from './schedule.ts';
import { backward, forward, upTo } from './work.ts';

/**
 * Backwards run in the order of the forwards, as 1F1B's do, so that both schedules add gradients in the same order. Several
 * chunks run breadth-first (Lamy-Poirier 2022): all microbatches through one chunk, then through the next.
 * Live microbatches on every stage: `microbatches` a chunk. Bubble: (stages - 1) / (microbatches · chunks + stages - 1) of the
 * time with at least `stages` microbatches.
 */
export const gpipe = (stages: number, microbatches: number, chunks = 1): Schedule =>
  buildSchedule('gpipe', { stages, microbatches, chunks }, gpipeWork(microbatches, chunks));

/** What each stage computes, in its order. */
export const gpipeWork = (microbatches: number, chunks: number) => (): Work[] => {
  const all = upTo(microbatches);
  const there = upTo(chunks);
  return [
    ...there.flatMap((chunk) => all.map((microbatch) => forward(microbatch, chunk))),
    ...there.toReversed().flatMap((chunk) => all.map((microbatch) => backward(microbatch, chunk))),
  ];
};
