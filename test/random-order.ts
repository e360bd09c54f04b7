// Schedules of no known kind: each stage's work in any order that what the work needs allows, as the text of a file.
import { buildSchedule, type Size } from '../src/schedule/build.ts';
import { describe } from '../src/schedule/describe.ts';
import { virtualStage, type Work } from '../src/schedule/schedule.ts';

interface Step {
  readonly stage: number;
  readonly work: Work;
}

/**
 * Does one piece of work of any stage after another, of those whose needs are met by then the one that the next of `picks` says:
 * so no stage waits for ever. A pick says as well whether a backward is in halves. Picks start over at their end.
 */
export function orderText(size: Size, picks: readonly number[]): string {
  const ready: Step[] = Array.from({ length: size.microbatches }, (_, microbatch) => ({
    stage: 0,
    work: { kind: 'forward', microbatch, chunk: 0 },
  }));
  const done = Array.from({ length: size.stages }, (): Work[] => []);
  for (let turn = 0; ready.length > 0; turn++) {
    const pick = picks[turn % picks.length]!;
    const [step] = ready.splice(pick % ready.length, 1) as [Step];
    done[step.stage]!.push(step.work);
    ready.push(...allowedBy(step, size, pick % 3 === 0));
  }
  return describe(buildSchedule('drawn', size, (stage) => done[stage]!));
}

/** What can be done once this is. */
function allowedBy({ stage, work }: Step, { stages, chunks }: Size, inHalves: boolean): Step[] {
  const { kind, microbatch, chunk } = work;
  const at = virtualStage({ stages, bothWays: false }, stage, chunk);
  const on = (virtual: number, next: Work['kind']): Step[] =>
    virtual < 0
      ? []
      : [{ stage: virtual % stages, work: { kind: next, microbatch, chunk: Math.floor(virtual / stages) } }];
  const backward = inHalves ? 'inputGradient' : 'backward';
  switch (kind) {
    case 'forward':
      return at + 1 < stages * chunks ? on(at + 1, 'forward') : on(at, backward);
    case 'backward':
      return on(at - 1, backward);
    case 'inputGradient':
      return [...on(at, 'weightGradient'), ...on(at - 1, backward)];
    case 'weightGradient':
      return [];
  }
}
