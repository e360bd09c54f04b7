// 1F1B (PipeDream-Flush, Narayanan et al. 2021): GPipe's bubble, but at most `stages` live microbatches.
//
//   stage 0  0 1 2 3 ............[0 ]4 [1 ]5 [2 ]..[3 ]..[4 ]..[5 ]
//   stage 1  ..0 1 2 ........[0 ]3 [1 ]4 [2 ]5 [3 ]..[4 ]..[5 ]....    time to the right: `2 ` is the forward of
//   stage 2  ....0 1 ....[0 ]2 [1 ]3 [2 ]4 [3 ]5 [4 ]..[5 ]........    microbatch 2, `[2 ]` its backward, twice as
//   stage 3  ......0 [0 ]1 [1 ]2 [2 ]3 [3 ]4 [4 ]5 [5 ]............    long; a dot is idle
//             warm-up        steady          cool-down
import { buildSchedule } from './build.ts';
import type { Schedule, Work } from './schedule.ts';
import { backward, forward, upTo } from './work.ts';

/**
 * Stage s warms up with as many forwards as there are stages behind it, then alternates one forward with one backward,
 * then cools down with the backwards that are left. Live microbatches on stage s: min(stages - s, microbatches).
 * Bubble: (stages - 1) / (microbatches + stages - 1) of the time.
 */
export const oneFOneB = (stages: number, microbatches: number): Schedule =>
  buildSchedule('1f1b', { stages, microbatches, chunks: 1 }, oneFOneBWork(stages, microbatches));

/** What each stage computes, in its order. */
export const oneFOneBWork = (stages: number, microbatches: number) => {
  const all = upTo(microbatches);
  return (stage: number): Work[] =>
    alternate(
      all.map((microbatch) => forward(microbatch)),
      all.map((microbatch) => backward(microbatch)),
      stages - 1 - stage,
    );
};

/** So many forwards, then one forward and one backward in turn, then the backwards that are left. */
export function alternate(forwards: readonly Work[], backwards: readonly Work[], warmup: number): Work[] {
  const steady = Math.max(0, forwards.length - warmup);
  return [
    ...forwards.slice(0, warmup),
    ...upTo(steady).flatMap((i) => [forwards[warmup + i]!, backwards[i]!]),
    ...backwards.slice(steady),
  ];
}
