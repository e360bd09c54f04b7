// What every rank of a step sends, computes and holds, by arithmetic on the summaries of its stage and the actions of its schedule.
import { coordsOf, replicaOf } from '../../mesh/mesh.ts';
import { trafficBytes } from '../../mesh/traffic.ts';
import { alignment } from '../../program/lives.ts';
import { microbatchesOn, type StepSettings } from '../../step/settings.ts';
import type { BytesSent } from '../predict-step.ts';
import { rankClasses } from '../stage-ranks.ts';
import { type Act, actionsOf, type StageActions } from './actions.ts';
import { summariseStages } from './stage-summary.ts';
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
  const stages = summariseStages(settings, widths);
  return rankClasses(settings).map(({ rank, ranks }) => {
    const coords = coordsOf(layout, rank);
    const microbatches = microbatchesOn(settings, replicaOf(layout, coords));
    const stage = stages[coords.pp]!;
    const actions = actionsOf(layout, microbatches)[coords.pp]!;
    return {
      rank,
      ranks,
      ...workOf(stage, actions),
      state: stage.state,
      ownBytes: stage.own.step + microbatches * stage.own.microbatch,
      livePeakBytes: livePeak(stage, actions),
    };
  });
}

/** What a rank of a stage computes and sends in a step. */
export function workOf(stage: StageSummary, { counts }: StageActions): Pick<RankEstimate, 'bytesSent' | 'flops'> {
  const bytesSent: { [axis: string]: { [op: string]: number } } = {};
  const send = (axis: string, op: string, bytes: number): void => {
    bytesSent[axis] ??= {};
    bytesSent[axis][op] = (bytesSent[axis][op] ?? 0) + bytes;
  };
  let flops = 0;
  const add = (run: RunSummary, count: number): void => {
    flops += run.flops * count;
    for (const { axis, call, bytes } of sentBy(run)) send(axis, call, bytes * count);
  };
  add(stage.once, 1);
  for (const { act, count } of counts) {
    if ('chunk' in act) add(stage.chunks[act.chunk]![act.kind], count);
    else if (act.kind === 'send') send('pp', 'send', count * stage.sendBytes);
  }
  return { bytesSent, flops };
}

interface Sent {
  readonly axis: string;
  readonly call: string;
  bytes: number;
}

/** What a run sends by axis and collective. */
function sentBy(run: RunSummary): readonly Sent[] {
  const known = sent.get(run);
  if (known) return known;
  const found = new Map<string, Sent>();
  for (const { axis, call, bytes, ranks, count } of run.talk) {
    const all = trafficBytes(call, bytes, ranks) * count;
    const same = found.get(`${axis} ${call}`);
    if (same) same.bytes += all;
    else found.set(`${axis} ${call}`, { axis, call, bytes: all });
  }
  sent.set(run, [...found.values()]);
  return sent.get(run)!;
}
const sent = new WeakMap<RunSummary, readonly Sent[]>();

/** Most bytes of activations alive at once in a step. `works`: what is alive of each work, that of the program if it is not given. */
export function livePeak(
  stage: StageSummary,
  { words }: StageActions,
  works = ({ chunk, kind }: ActOfChunk): LiveProfile => stage.chunks[chunk]![kind].live,
): number {
  // The sum of live.ts, without objects: a search takes it often.
  const message = Math.ceil(stage.sendBytes / alignment) * alignment;
  let [most, alive] = [stage.once.live.peak, 0];
  for (const { acts, times } of words) {
    let [peak, net] = [0, 0];
    for (const act of acts) {
      if ('chunk' in act) {
        const live = works(act);
        peak = Math.max(peak, net + live.peak);
        net += live.net;
      } else {
        net += act.kind === 'send' ? -message : message;
        peak = Math.max(peak, net);
      }
    }
    most = Math.max(most, alive + peak + Math.max(0, (times - 1) * net));
    alive += times * net;
  }
  return most;
}

type ActOfChunk = Extract<Act, { readonly chunk: number }>;
