// Proves a schedule before it runs: complete, in order, every send received, no deadlock; and what memory it needs.
import { fail } from '../errors.ts';
import { sizeProblem } from './build.ts';
import { type ChannelProof, proveExecution } from './in-flight.ts';
import { inWords } from './in-words.ts';
import { locate, type Positions, type Slot, slotOf } from './locate.ts';
import { type Action, type Message, messageTag, placementOf, type Schedule } from './schedule.ts';
import type { Teller } from './teller.ts';

export interface ScheduleProof {
  /** `peakLive[s]`: most (microbatch, chunk) pairs live at once on stage s: forward begun, last gradient not ended. */
  readonly peakLive: readonly number[];
  /** `peakLiveByChunk[s][c]`: most microbatches of chunk c of stage s that are live at once. */
  readonly peakLiveByChunk: readonly (readonly number[])[];
  /** For every (from, to) pair that talks: the most messages that can be under way, at any relative speed of the stages. */
  readonly peakInFlight: readonly ChannelProof[];
}

/**
 * @throws SCHEDULE_INVALID naming the stage, the index in its list and the action that is wrong.
 */
export function verify(schedule: Schedule): ScheduleProof {
  const action = (each: Action): string => inWords(each, schedule);
  return prove(schedule, {
    stage: (stage) => `stage ${stage}`,
    action,
    at: (stage, index) => `stage ${stage}, action ${index} (${action(schedule.stages[stage]![index]!)})`,
    refuse: (problem) => fail('SCHEDULE_INVALID', { schedule: schedule.name, problem }),
  });
}

export function prove(schedule: Schedule, tell: Teller): ScheduleProof {
  const { stages, microbatches } = schedule;
  const problem = sizeProblem({ ...placementOf(schedule), microbatches });
  if (problem) tell.refuse(problem);
  const positions = locate(schedule, tell);
  for (const [stage, found] of positions.entries()) checkOrder(schedule, stage, found, tell);
  checkChannels(schedule, tell);
  const { cycle, peakInFlight } = proveExecution(schedule);
  if (cycle) {
    const waits = cycle.map(({ stage, index }) => tell.at(stage, index));
    tell.refuse(`deadlock: ${waits.join(' waits for ')} waits for ${tell.stage(cycle[0]!.stage)}`);
  }
  const live = stages.map((actions) => peakLiveOf(actions, schedule));
  return { peakLive: live.map(({ all }) => all), peakLiveByChunk: live.map(({ byChunk }) => byChunk), peakInFlight };
}

/** What must come before an action on its stage, for the same microbatch and chunk, where the stage has it. */
const needs: Readonly<Record<Slot, readonly Slot[]>> = {
  'recv activation': [],
  forward: ['recv activation'],
  'send activation': ['forward'],
  'recv gradient': [],
  backward: ['forward', 'recv gradient'],
  inputGradient: ['forward', 'recv gradient'],
  weightGradient: ['inputGradient'],
  'send gradient': ['backward', 'inputGradient'],
};

function checkOrder({ stages, microbatches }: Schedule, stage: number, positions: Positions, tell: Teller): void {
  for (const [index, action] of stages[stage]!.entries())
    for (const need of needs[slotOf(action)]) {
      const position = positions[need][action.chunk * microbatches + action.microbatch]!;
      if (position > index)
        tell.refuse(`${tell.at(stage, index)} comes before ${tell.at(stage, position)}, which it needs`);
    }
}

/** What one stage sends is what the other receives, in the same order. */
function checkChannels(schedule: Schedule, tell: Teller): void {
  const { stages } = schedule;
  const placement = placementOf(schedule);
  const sends = stages.map((actions) => byOtherEnd(actions, 'send'));
  for (const [to, actions] of stages.entries())
    for (const [from, receives] of byOtherEnd(actions, 'recv')) {
      const tagOf = (stage: number, index: number) => messageTag(placement, stage, stages[stage]![index] as Message);
      for (const [i, received] of receives.entries()) {
        const sent = sends[from]!.get(to)![i]!;
        if (tagOf(from, sent) !== tagOf(to, received))
          tell.refuse(`${tell.at(to, received)} would get the message of ${tell.at(from, sent)}: orders differ`);
      }
    }
}

/** The indexes of a stage's sends or receives, by the stage at the other end. */
function byOtherEnd(actions: readonly Action[], kind: Message['kind']): Map<number, number[]> {
  const indexes = new Map<number, number[]>();
  for (const [index, action] of actions.entries()) {
    if (action.kind !== kind) continue;
    if (!indexes.has(action.stage)) indexes.set(action.stage, []);
    indexes.get(action.stage)!.push(index);
  }
  return indexes;
}

/** Without backwards, a microbatch is live during its forward only. */
function peakLiveOf(actions: readonly Action[], { chunks, forwardOnly }: Schedule) {
  const live = Array<number>(chunks).fill(0);
  const byChunk = [...live];
  let all = 0;
  let total = 0;
  for (const { kind, chunk } of actions) {
    if (kind === 'forward') {
      byChunk[chunk] = Math.max(byChunk[chunk]!, ++live[chunk]!);
      all = Math.max(all, ++total);
    }
    if (kind === 'backward' || kind === 'weightGradient' || (kind === 'forward' && forwardOnly)) {
      live[chunk]!--;
      total--;
    }
  }
  return { all, byChunk };
}
