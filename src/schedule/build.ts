// Makes a schedule from what each stage computes in which order: the messages follow from that.
import { fail } from '../errors.ts';
import { insertMessages } from './insert-messages.ts';
import { mostMicrobatches, mostVirtualStages, type Schedule, type Work } from './schedule.ts';

export interface Size {
  readonly stages: number;
  readonly microbatches: number;
  readonly chunks: number;
  /** Two directions, each of which has a chunk of every stage. */
  readonly bothWays?: boolean;
}

/**
 * The schedule whose stage s computes `workOf(s)` in that order.
 * @throws SCHEDULE_INVALID when a size is not possible.
 */
export function buildSchedule(name: string, size: Size, workOf: (stage: number) => readonly Work[]): Schedule {
  const problem = sizeProblem(size);
  if (problem) fail('SCHEDULE_INVALID', { schedule: name, problem });
  const { stages, microbatches, chunks, bothWays = false } = size;
  const work = Array.from({ length: stages }, (_, stage) => workOf(stage));
  const forwardOnly = work.every((list) => list.every(({ kind }) => kind === 'forward'));
  const placement = { stages, chunks, bothWays };
  return { name, microbatches, chunks, bothWays, forwardOnly, stages: insertMessages(work, placement) };
}

/** What is wrong with a size, with what is allowed; undefined for nothing. */
export function sizeProblem({ stages, microbatches, chunks, bothWays = false }: Size): string | undefined {
  for (const [what, count] of Object.entries({ stages, microbatches, chunks }))
    if (!Number.isSafeInteger(count) || count < 1) return `${count} ${what}; use a whole number of at least 1`;
  if (stages === 1 && chunks > 1) return `one stage in ${chunks} chunks; use one chunk, or several stages`;
  if (stages * chunks > mostVirtualStages)
    return `${stages} stages of ${chunks} chunks; use at most ${mostVirtualStages} chunks in all`;
  if (microbatches > mostMicrobatches) return `${microbatches} microbatches; use at most ${mostMicrobatches}`;
  if (bothWays) return bothWaysProblem({ stages, microbatches, chunks });
  return undefined;
}

function bothWaysProblem({ stages, microbatches, chunks }: Size): string | undefined {
  if (chunks !== 2) return `two directions in ${chunks} chunks; each has one, so use 2`;
  if (stages % 2 > 0) return `${stages} stages that are gone through both ways; use an even number`;
  if (microbatches % 2 > 0) return `${microbatches} microbatches for two directions; use an even number`;
  return undefined;
}
