// What the stages of a traced run computed when: its idle share, and the same work played as its schedule allows.
import { readFileSync } from 'node:fs';
import { type Played, play } from '../schedule/play.ts';
import type { Schedule, Work, WorkKind } from '../schedule/schedule.ts';

export interface WorkSpan {
  readonly stage: number;
  readonly work: Work;
  /** In seconds. */
  readonly start: number;
  readonly end: number;
}

/** The work of one step; of a stage's ranks, the first one's. Each stage's spans are in the order in which they ran. */
export interface Timeline {
  readonly step: number;
  readonly spans: readonly WorkSpan[];
}

interface TraceEvent {
  readonly ph: string;
  readonly cat: string;
  readonly pid: number;
  /** In microseconds. */
  readonly ts: number;
  readonly dur: number;
  readonly args: {
    readonly step: number;
    readonly stage?: number;
    readonly phase?: WorkKind | 'finish';
    readonly microbatch?: number;
    readonly chunk?: number;
  };
}

interface RankSpan extends WorkSpan {
  readonly rank: number;
  readonly step: number;
}

/** From the file that `trace` wrote, step by step. */
export function readTimelines(path: string): Timeline[] {
  const found = (JSON.parse(readFileSync(path, 'utf8')) as readonly TraceEvent[]).flatMap(workOf);
  const firstRank = new Map<number, number>();
  for (const { rank, stage } of found) firstRank.set(stage, Math.min(rank, firstRank.get(stage) ?? rank));
  const steps = new Map<number, WorkSpan[]>();
  for (const { rank, step, ...span } of found) {
    if (rank !== firstRank.get(span.stage)) continue;
    if (!steps.has(step)) steps.set(step, []);
    steps.get(step)!.push(span);
  }
  return [...steps].sort(([a], [b]) => a - b).map(([step, spans]) => ({ step, spans }));
}

/** The work of the schedule that an event tells of, if it does. */
function workOf({ ph, cat, pid, ts, dur, args }: TraceEvent): RankSpan[] {
  if (ph !== 'X' || cat !== 'step') return [];
  const { step, stage, phase, microbatch, chunk = 0 } = args;
  if (stage === undefined || microbatch === undefined || phase === undefined || phase === 'finish') return [];
  return [{ rank: pid, step, stage, work: { kind: phase, microbatch, chunk }, start: ts / 1e6, end: (ts + dur) / 1e6 }];
}

/** Share of all stages' time, from the first work's begin to the last one's end, in which they do not compute. */
export function idleShare({ spans }: Timeline): number {
  const stages = new Set(spans.map(({ stage }) => stage)).size;
  const begin = Math.min(...spans.map(({ start }) => start));
  const end = Math.max(...spans.map((span) => span.end));
  const busy = spans.reduce((sum, span) => sum + span.end - span.start, 0);
  return 1 - busy / (stages * (end - begin));
}

const keyOf = (stage: number, { kind, microbatch, chunk }: Work): string => `${stage} ${kind} ${chunk} ${microbatch}`;

/** The schedule with every piece of work as long as it took in this step: what is idle then, no run of that order can avoid. */
export function playAgain(schedule: Schedule, { spans }: Timeline): Played {
  const seconds = new Map(spans.map(({ stage, work, start, end }) => [keyOf(stage, work), end - start]));
  return play(schedule, { workSeconds: (stage, work) => seconds.get(keyOf(stage, work)) ?? 0 });
}

/** The schedule with every piece of work as long as the median of its kind, on its stage and chunk, over all these steps. */
export function playMedian(schedule: Schedule, timelines: readonly Timeline[]): Played {
  const samples = new Map<string, number[]>();
  const kindOf = (stage: number, work: Work) => keyOf(stage, { ...work, microbatch: 0 });
  for (const { stage, work, start, end } of timelines.flatMap(({ spans }) => spans)) {
    const key = kindOf(stage, work);
    samples.set(key, [...(samples.get(key) ?? []), end - start]);
  }
  const medians = new Map([...samples].map(([key, found]) => [key, found.sort((a, b) => a - b)[found.length >> 1]!]));
  return play(schedule, { workSeconds: (stage, work) => medians.get(kindOf(stage, work)) ?? 0 });
}
