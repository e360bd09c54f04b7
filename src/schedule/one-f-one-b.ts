// 1F1B (PipeDream-Flush, Narayanan et al. 2021): GPipe's bubble, but at most `stages` live microbatches.
//
//   stage 0  0 1 2 3 ............[0 ]4 [1 ]5 [2 ]..[3 ]..[4 ]..[5 ]
//   stage 1  ..0 1 2 ........[0 ]3 [1 ]4 [2 ]5 [3 ]..[4 ]..[5 ]....    time to the right: `2 ` is the forward of
//   stage 2  ....0 1 ....[0 ]2 [1 ]3 [2 ]4 [3 ]5 [4 ]..[5 ]........    microbatch 2, `[2 ]` its backward, twice as
//   stage 3  ......0 [0 ]1 [1 ]2 [2 ]3 [3 ]4 [4 ]5 [5 ]............    long; a dot is idle
//             warm-up        steady          cool-down
import type { Action, Schedule } from './schedule.ts';
import { backwardStep, forwardStep, makeSchedule } from './steps.ts';

/**
 * Stage s warms up with as many forwards as there are stages behind it, then alternates one forward with one backward,
 * then cools down with the backwards that are left. Live microbatches on stage s: min(stages - s, microbatches).
 * Bubble: (stages - 1) / (microbatches + stages - 1) of the time.
 */
export function oneFOneB(stages: number, microbatches: number): Schedule {
  return makeSchedule('1f1b', stages, microbatches, (stage) => {
    const actions: Action[] = [];
    const forward = (microbatch: number) => actions.push(...forwardStep(stage, stages, microbatch));
    const backward = (microbatch: number) => actions.push(...backwardStep(stage, stages, microbatch));

    const warmup = Math.min(stages - 1 - stage, microbatches);
    const steady = microbatches - warmup;

    for (let i = 0; i < warmup; i++) forward(i);
    for (let i = 0; i < steady; i++) {
      forward(warmup + i);
      backward(i);
    }
    for (let i = steady; i < microbatches; i++) backward(i);
    return actions;
  });
}
