// A schedule as text: one line a stage, what it computes in order. parse.ts reads it back.
import { isMessage, type Schedule, type Work, type WorkKind } from './schedule.ts';

/**
 * `F3.1` is the forward of microbatch 3 through chunk 1, `F3` where a stage has one chunk. B is the backward; in a schedule with
 * W, the gradient of the weights, B is the gradient of the input, and BW a backward of both at once. Messages are left out: they
 * follow from the work. One that goes both ways can be looked at, and is not read back: nothing runs it.
 */
export function describe(schedule: Schedule): string {
  const { name, stages, chunks, microbatches, bothWays } = schedule;
  const written = writer(schedule);
  const sizes = [
    `stages=${stages.length}`,
    ...(bothWays ? ['directions=2'] : chunks > 1 ? [`chunks=${chunks}`] : []),
    `microbatches=${microbatches}`,
  ];
  const lines = stages.map((actions, stage) => {
    const work = actions.filter((action) => !isMessage(action)).map((action) => written(action as Work));
    return `stage ${stage}: ${work.join(' ')}`;
  });
  return `${[`# ${legend(schedule)}`, `schedule ${name} ${sizes.join(' ')}`, ...lines].join('\n')}\n`;
}

/** How this schedule's work is written. */
export function writer({ stages, chunks }: Pick<Schedule, 'stages' | 'chunks'>): (work: Work) => string {
  const letters = lettersOf(stages.some((actions) => actions.some(({ kind }) => kind === 'weightGradient')));
  return ({ kind, microbatch, chunk }) => `${letters[kind]}${microbatch}${chunks > 1 ? `.${chunk}` : ''}`;
}

/** `split`: some backwards are in two halves. */
export const lettersOf = (split: boolean): Readonly<Record<WorkKind, string>> => ({
  forward: 'F',
  backward: split ? 'BW' : 'B',
  inputGradient: 'B',
  weightGradient: 'W',
});

function legend({ stages, chunks, bothWays, forwardOnly }: Schedule): string {
  const split = stages.some((actions) => actions.some(({ kind }) => kind === 'weightGradient'));
  const which = `${chunks > 1 ? 'F0.1: ' : 'F0: '}forward of microbatch 0${chunks > 1 ? ` ${bothWays ? 'in direction' : 'through chunk'} 1` : ''}`;
  if (forwardOnly) return which;
  return `${which}; B: ${split ? 'gradient of its input; W: gradient of the weights' : 'its backward'}`;
}
