// DualPipe (DeepSeek-AI 2024, "DeepSeek-V3 Technical Report", section 3.2.1): microbatches enter at both ends, and forwards of one direction run
// side by side with backwards of the other, so that what experts exchange in the one is hidden by the other's products.
//
//   stage 0  a b c f F + g d G   h A e H   i B   I   j C   J   D + E +     time to the right: `a` to `e` enter at stage 0 and `f` to `j`
//   stage 1    a f b g c F   h A d G   i B e H   j C   I   D   J E + +     at stage 3, each a microbatch; a small letter is its forward, a large
//   stage 2    f a g b h A   c F i B   d G j C   e H   D   I   E J + +     one its backward, which takes twice as long if the weights' gradient,
//   stage 3  f g h a A + b i B   c F j C   d G   D   e H   E   I + J +     `+`, does not follow later
import { fail } from '../errors.ts';
import { buildSchedule } from './build.ts';
import type { Schedule, Work } from './schedule.ts';
import { backward, forward, inputGradient, upTo, weightGradient } from './work.ts';

/**
 * Stages and microbatches are even, of microbatches there are at least two for each stage. Every stage has two parts of the model
 * (`bothWays` of schedule.ts). Live microbatches on every stage: `stages` + 1. Idle: (stages / 2 - 1) · (F&B + B - 3 W) seconds at most, with F&B
 * those of a forward and a backward side by side, B those of a whole backward and W those of its gradients of weights, where a forward takes as
 * long as W or longer, and no longer than B - W.
 */
export function dualPipe(stages: number, microbatches: number): Schedule {
  const problem = dualPipeProblem(stages, microbatches);
  if (problem) fail('SCHEDULE_INVALID', { schedule: 'dualpipe', problem });
  return buildSchedule(
    'dualpipe',
    { stages, microbatches, chunks: 2, bothWays: true },
    dualPipeWork(stages, microbatches),
  );
}

/** Why there is none of such a size, with what is allowed; undefined: there is. */
export function dualPipeProblem(stages: number, microbatches: number): string | undefined {
  if (stages % 2 > 0) return `${stages} stages are not an even number`;
  const least = 2 * stages;
  if (microbatches >= least && microbatches % 2 === 0) return undefined;
  return `${microbatches} microbatches are not an even number of at least ${least}, which ${stages} stages need`;
}

/** What each stage computes, in its order. */
export const dualPipeWork =
  (stages: number, microbatches: number) =>
  (stage: number): Work[] => {
    /** How far it is from the nearer end; the direction that begins there is `near`. */
    const fromEnd = Math.min(stage, stages - 1 - stage);
    const toMiddle = stages / 2 - 1 - fromEnd;
    const near = stage < stages / 2 ? 0 : 1;
    const half = microbatches / 2;
    const work: Work[] = [];
    const next = { forward: [0, 0], backward: [0, 0] };
    const late: Work[] = [];
    const chunkOf = (isNear: boolean): number => (isNear ? near : 1 - near);
    const microbatchOf = (done: number[], chunk: number): number => chunk * half + done[chunk]!++;
    const F = (isNear: boolean): void => {
      const chunk = chunkOf(isNear);
      work.push(forward(microbatchOf(next.forward, chunk), chunk));
    };
    const B = (isNear: boolean): void => {
      const chunk = chunkOf(isNear);
      work.push(backward(microbatchOf(next.backward, chunk), chunk));
    };
    /** The gradient of the input alone: that of the weights comes later. */
    const I = (isNear: boolean): void => {
      const chunk = chunkOf(isNear);
      const microbatch = microbatchOf(next.backward, chunk);
      work.push(inputGradient(microbatch, chunk));
      late.push(weightGradient(microbatch, chunk));
    };
    const W = (): void => {
      work.push(late.shift()!);
    };
    const times = (count: number, ...each: (() => void)[]): void => {
      for (const _ of upTo(count)) for (const one of each) one();
    };
    const [NEAR, FAR] = [true, false];

    times(2 * toMiddle, () => F(NEAR));
    times(
      fromEnd + 1,
      () => F(NEAR),
      () => F(FAR),
    );
    times(
      toMiddle,
      () => I(FAR),
      W,
      () => F(FAR),
    );
    times(
      half - stages + fromEnd + 1,
      () => F(NEAR),
      () => B(FAR),
      () => F(FAR),
      () => B(NEAR),
    );
    times(
      toMiddle,
      () => B(FAR),
      () => F(FAR),
      () => B(NEAR),
    );
    // Of the backwards that are left the second half leave their gradients of weights for later, when there is nothing to wait for.
    const whole = fromEnd + 1;
    for (const i of upTo(2 * (fromEnd + 1))) (i < whole ? B : I)(i % 2 === 1);
    times(toMiddle, W, () => I(NEAR));
    times(fromEnd + 1, W);
    return sideBySide(work);
  };

/** The same with a forward and the whole backward right after it, of the other direction, marked as side by side. */
function sideBySide(work: readonly Work[]): Work[] {
  const isFirst = (at: number): boolean => {
    const [one, other] = [work[at], work[at + 1]];
    return one?.kind === 'forward' && other?.kind === 'backward' && one.chunk !== other.chunk;
  };
  return work.map((each, at) => (isFirst(at) || isFirst(at - 1) ? { ...each, beside: true } : each));
}
