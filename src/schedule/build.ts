// Makes a schedule from what each stage computes in which order: the messages follow from that.
import { fail } from '../errors.ts';
import { insertMessages } from './insert-messages.ts';
import { mostMicrobatches, mostVirtualStages, type Schedule, type Work } from './schedule.ts';

export interface Size {
  readonly stages: number;
  readonly microbatches: number;
  readonly chunks: number;
}

/**
 * The schedule whose stage s computes `workOf(s)` in that order.
 * @throws SCHEDULE_INVALID when a size is not possible.
 */
export function buildSchedule(name: string, size: Size, workOf: (stage: number) => readonly Work[]): Schedule {
  const problem = sizeProblem(size);
  if (problem) fail('SCHEDULE_INVALID', { schedule: name, problem });
  const { stages, microbatches, chunks } = size;
  const work = Array.from({ length: stages }, (_, stage) => workOf(stage));
  const forwardOnly = work.every((list) => list.every(({ kind }) => kind === 'forward'));
  return { name, microbatches, chunks, forwardOnly, stages: insertMessages(work, chunks) };
}

/** What is wrong with a size, with what is allowed; undefined for nothing. */
export function sizeProblem({ stages, microbatches, chunks }: Size): string | undefined {
  for (const [what, count] of Object.entries({ stages, microbatches, chunks }))
    if (!Number.isSafeInteger(count) || count < 1) return `${count} ${what}; use a whole number of at least 1`;
  if (stages === 1 && chunks > 1) return `one stage in ${chunks} chunks; use one chunk, or several stages`;
  if (stages * chunks > mostVirtualStages)
    return `${stages} stages of ${chunks} chunks; use at most ${mostVirtualStages} chunks in all`;
  if (microbatches > mostMicrobatches) return `${microbatches} microbatches; use at most ${mostMicrobatches}`;
  return undefined;
}
