// Plays a schedule against a clock: when each action starts and ends, how long the whole takes, how much of it is bubble.
import { fail } from '../errors.ts';
import { type Action, isMessage, type Message, type Schedule, type Work } from './schedule.ts';
import { walk } from './walk.ts';

/** How long things take, in seconds. */
export interface Timing {
  readonly workSeconds: (stage: number, work: Work) => number;
  /** The sender is busy for this long, then the message is there; 0 when not given. */
  readonly sendSeconds?: (stage: number, message: Message) => number;
  /** The message is there so much later, while the sender goes on; 0 when not given. */
  readonly transitSeconds?: (stage: number, message: Message) => number;
}

/** One action on the clock; a receive lasts as long as it waits. */
export interface Span {
  readonly stage: number;
  readonly action: Action;
  /** Seconds from the schedule's begin. */
  readonly start: number;
  readonly end: number;
}

export interface Played {
  /** Each stage's spans in its order; stages interleaved as they were walked. */
  readonly spans: readonly Span[];
  /** Seconds until the last stage has ended. */
  readonly makespan: number;
  /** Seconds each stage computes. */
  readonly busy: readonly number[];
  /** Share of all stages' time in which they do not compute: waiting and sending. */
  readonly bubbleFraction: number;
}

/**
 * Each stage does its actions one after another, each as early as it can.
 * @throws SCHEDULE_INVALID when a stage waits for ever.
 */
export function play(schedule: Schedule, timing: Timing): Played {
  const { stages } = schedule;
  const now = stages.map(() => 0);
  const busy = stages.map(() => 0);
  const spans: Span[] = [];

  /** A message carries the time at which it is there. */
  const ran = walk<number>(schedule, ({ stage, action, received }) => {
    const start = now[stage]!;
    const end = endOf(stage, action, start, received ?? start, timing);
    if (!isMessage(action)) busy[stage] = busy[stage]! + end - start;
    spans.push({ stage, action, start, end });
    now[stage] = end;
    return action.kind === 'send' ? end + (timing.transitSeconds?.(stage, action) ?? 0) : end;
  });

  if (ran.some((count, stage) => count < stages[stage]!.length)) {
    fail('SCHEDULE_INVALID', {
      schedule: schedule.name,
      problem: 'a stage waits for ever; verify it before playing it',
    });
  }
  const makespan = Math.max(0, ...now);
  const total = makespan * stages.length;
  const worked = busy.reduce((sum, seconds) => sum + seconds, 0);
  return { spans, makespan, busy, bubbleFraction: total > 0 ? 1 - worked / total : 0 };
}

function endOf(stage: number, action: Action, start: number, arrival: number, timing: Timing): number {
  if (!isMessage(action)) return start + timing.workSeconds(stage, action);
  if (action.kind === 'recv') return Math.max(start, arrival);
  return start + (timing.sendSeconds?.(stage, action) ?? 0);
}
