// ZB-H1 (Qi et al. 2023, "Zero Bubble Pipeline Parallelism"): weight gradients fill a third of 1F1B's bubble, with its peak of memory.
//
//   stage 0  0  1  2  ......[0]{0}3  [1]{1}[2]{2}[3]{3}    time to the right: `2 ` is the forward of microbatch 2,
//   stage 1  ...0  1  ...[0]2  [1]{0}3  [2]{1}[3]{2}{3}    `[2]` the gradient of its input, `{2}` the gradient of
//   stage 2  ......0  [0]1  [1]2  [2]{0}3  [3]{1}{2}{3}    the weights; a dot is idle
import { buildSchedule } from './build.ts';
import type { Schedule, Work } from './schedule.ts';
import { forward, inputGradient, upTo, weightGradient } from './work.ts';

/**
 * 1F1B of forwards and input gradients, which come back sooner as they do not wait for weight gradients. Stage s is s weight
 * gradients behind its input gradients, and does them where 1F1B is idle in the end. Live microbatches on every stage:
 * min(stages, microbatches), 1F1B's on its first.
 * Idle: (stages - 1) · (F + B - W) seconds with at least `stages` microbatches and W the shortest of the three.
 */
export const zeroBubbleH1 = (stages: number, microbatches: number): Schedule =>
  buildSchedule('zb-h1', { stages, microbatches, chunks: 1 }, zeroBubbleH1Work(stages, microbatches));

/** What each stage computes, in its order. */
export const zeroBubbleH1Work =
  (stages: number, microbatches: number) =>
  (stage: number): Work[] => {
    const warmup = Math.min(stages - 1 - stage, microbatches);
    const late = Math.min(stage, microbatches);
    const work: Work[] = upTo(warmup).map((i) => forward(i));
    for (const i of upTo(microbatches)) {
      if (warmup + i < microbatches) work.push(forward(warmup + i));
      work.push(inputGradient(i));
      if (i >= late) work.push(weightGradient(i - late));
    }
    return [...work, ...upTo(late).map((i) => weightGradient(microbatches - late + i))];
  };
