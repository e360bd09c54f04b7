// What every rank of a step sends, computes and holds, by arithmetic on the summaries of its stage and the actions of its schedule.

import { coordsOf, replicaOf } from '../../mesh/mesh.ts';
import { trafficBytes } from '../../mesh/traffic.ts';
import { alignment } from '../../program/lives.ts';
import { type Action, isMessage, type Message, type Schedule } from '../../schedule/schedule.ts';
import { scheduleOf } from '../../schedule/schedules.ts';
import { microbatchesOn, type StepSettings } from '../../step/settings.ts';
import type { BytesSent } from '../predict-step.ts';
import { rankClasses } from '../stage-ranks.ts';
import { followedBy } from './live.ts';
import { summariseStage } from './stage-summary.ts';
import type { LiveProfile, RunSummary, StageSummary, StateBytes, Widths } from './summary.ts';

export interface RankEstimate {
  /** The first of the ranks that it holds for, and how many they are: see plan/stage-ranks.ts. */
  readonly rank: number;
  readonly ranks: number;
  readonly bytesSent: BytesSent;
  /** Matrix-multiply FLOPs. */
  readonly flops: number;
  readonly state: StateBytes;
  /** Bytes of tokens and scalars. */
  readonly ownBytes: number;
  /** Most bytes of activations alive at once. */
  readonly livePeakBytes: number;
}

/** Of one step, by stage and by replicas that have as many microbatches. */
export function estimate(settings: StepSettings, widths: Widths): RankEstimate[] {
  const { layout } = settings;
  const stages = Array.from({ length: layout.pp }, (_, pp) => summariseStage(settings, pp, widths));
  const schedules = new Map<number, Schedule>();
  return rankClasses(settings).map(({ rank, ranks }) => {
    const coords = coordsOf(layout, rank);
    const microbatches = microbatchesOn(settings, replicaOf(layout, coords));
    const schedule = schedules.get(microbatches) ?? scheduleOf(layout, microbatches);
    schedules.set(microbatches, schedule);
    return { rank, ranks, ...estimateStage(stages[coords.pp]!, schedule.stages[coords.pp]!, microbatches) };
  });
}

/** Of a rank of a stage that does so. */
export function estimateStage(
  stage: StageSummary,
  actions: readonly Action[],
  microbatches: number,
): Omit<RankEstimate, 'rank' | 'ranks'> {
  const counts = new Map<RunSummary, number>([[stage.once, 1]]);
  let sends = 0;
  for (const action of actions) {
    if (action.kind === 'send') sends += 1;
    if (isMessage(action)) continue;
    const run = stage.chunks[action.chunk]![action.kind];
    counts.set(run, (counts.get(run) ?? 0) + 1);
  }
  const bytesSent: { [axis: string]: { [op: string]: number } } = {};
  const send = (axis: string, op: string, bytes: number): void => {
    bytesSent[axis] ??= {};
    bytesSent[axis][op] = (bytesSent[axis][op] ?? 0) + bytes;
  };
  let flops = 0;
  for (const [run, count] of counts) {
    flops += run.flops * count;
    for (const { axis, call, bytes, ranks, count: calls } of run.talk)
      send(axis, call, trafficBytes(call, bytes, ranks) * calls * count);
  }
  if (sends > 0) send('pp', 'send', sends * stage.sendBytes);
  return {
    bytesSent,
    flops,
    state: stage.state,
    ownBytes: stage.own.step + microbatches * stage.own.microbatch,
    livePeakBytes: livePeak(stage, actions),
  };
}

/** Most bytes of activations alive at once in a step of these actions. */
export function livePeak(stage: StageSummary, actions: readonly Action[]): number {
  let live: LiveProfile = { peak: stage.once.live.peak, net: 0 };
  for (const action of actions) live = followedBy(live, profileOf(stage, action));
  return live.peak;
}

const profileOf = (stage: StageSummary, action: Action): LiveProfile =>
  isMessage(action) ? ofMessage(stage, action) : stage.chunks[action.chunk]![action.kind].live;

/** What is sent is given up, what is received comes to be there. */
export function ofMessage({ sendBytes }: StageSummary, { kind }: Message): LiveProfile {
  const message = Math.ceil(sendBytes / alignment) * alignment;
  return kind === 'send' ? { peak: 0, net: -message } : { peak: message, net: message };
}
