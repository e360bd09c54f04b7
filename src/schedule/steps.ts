// What schedules are made of: the forward or the backward of one microbatch with the messages around it.
import { fail } from '../errors.ts';
import type { Action, Schedule } from './schedule.ts';

/** Receive the activation (but on the first stage), compute, pass the result on (but on the last stage). */
export function forwardStep(stage: number, stages: number, microbatch: number): Action[] {
  const step: Action[] = [];
  if (stage > 0) step.push({ kind: 'recvActivation', microbatch, stage: stage - 1 });
  step.push({ kind: 'forward', microbatch });
  if (stage < stages - 1) step.push({ kind: 'sendActivation', microbatch, stage: stage + 1 });
  return step;
}

/** Receive the gradient (but on the last stage), compute, pass the input's gradient back (but on the first stage). */
export function backwardStep(stage: number, stages: number, microbatch: number): Action[] {
  const step: Action[] = [];
  if (stage < stages - 1) step.push({ kind: 'recvGradient', microbatch, stage: stage + 1 });
  step.push({ kind: 'backward', microbatch });
  if (stage > 0) step.push({ kind: 'sendGradient', microbatch, stage: stage - 1 });
  return step;
}

/**
 * The schedule whose stage s does `actionsOf(s)`.
 * @throws SCHEDULE_INVALID when stages or microbatches are not whole numbers of at least 1.
 */
export function makeSchedule(
  name: string,
  stages: number,
  microbatches: number,
  actionsOf: (stage: number) => readonly Action[],
): Schedule {
  for (const [what, count] of [
    ['stages', stages],
    ['microbatches', microbatches],
  ] as const) {
    if (!Number.isSafeInteger(count) || count < 1) {
      fail('SCHEDULE_INVALID', { schedule: name, problem: `${count} ${what}; use a whole number of at least 1` });
    }
  }
  return { name, microbatches, stages: Array.from({ length: stages }, (_, stage) => actionsOf(stage)) };
}
