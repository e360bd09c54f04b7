// GPipe (Huang et al. 2019): all forwards, then all backwards; simple, and every microbatch stays live.
//
//   stage 0  0 1 2 3 ..................[0 ][1 ][2 ][3 ]
//   stage 1  ..0 1 2 3 ............[0 ][1 ][2 ][3 ]....    time to the right: `2 ` is the forward of microbatch 2,
//   stage 2  ....0 1 2 3 ......[0 ][1 ][2 ][3 ]........    `[2 ]` its backward, twice as long; a dot is idle
//   stage 3  ......0 1 2 3 [0 ][1 ][2 ][3 ]............
import type { Action, Schedule } from './schedule.ts';
import { backwardStep, forwardStep, makeSchedule } from './steps.ts';

/**
 * Backwards run in the order of the forwards, as 1F1B's do, so that both schedules add gradients in the same order.
 * Live microbatches on every stage: `microbatches`. Bubble: (stages - 1) / (microbatches + stages - 1) of the time.
 */
export function gpipe(stages: number, microbatches: number): Schedule {
  return makeSchedule('gpipe', stages, microbatches, (stage) => {
    const actions: Action[] = [];
    for (let i = 0; i < microbatches; i++) actions.push(...forwardStep(stage, stages, i));
    for (let i = 0; i < microbatches; i++) actions.push(...backwardStep(stage, stages, i));
    return actions;
  });
}
