// What holds at any relative speed of the stages: that all of them end, and how many messages a channel must hold.
import { describeAction } from './describe.ts';
import type { Action, Schedule } from './schedule.ts';
import { walk } from './walk.ts';

/** The most messages that can be under way from one stage to another: sent or being sent, and not yet received. */
export interface ChannelProof {
  readonly from: number;
  readonly to: number;
  readonly messages: number;
}

export interface ExecutionProof {
  /** Why the schedule does not end, or undefined when it does. */
  readonly stuck: string | undefined;
  readonly peakInFlight: readonly ChannelProof[];
}

/**
 * Runs the schedule once with vector clocks (Fidge and Mattern 1988). Stage s's clock holds, for each stage t, how many of
 * t's actions have certainly ended: its own by its program, others' by the messages it has received, each of which carries
 * its sender's clock. When s sends message i to t, exactly the receives within clock[t] have certainly ended; all the others
 * may still be to come, as t may be arbitrarily slow. So the bound is the largest of (messages sent so far, this one
 * included) - (receives within the clock). It is reached: run only what happened before the send, then the send.
 *
 * With channels of that capacity no send ever waits, so the order found here is not changed by full channels.
 * Precondition: the sends and receives of each pair of stages match one to one, in order.
 */
export function proveExecution(schedule: Schedule): ExecutionProof {
  const { stages } = schedule;
  const clocks = stages.map(() => new Int32Array(stages.length));
  const channels = new Map<string, Channel>();

  const ran = walk<Int32Array | undefined>(schedule, ({ stage, index, action, received }) => {
    const clock = clocks[stage]!;
    if (received) joinInto(clock, received);
    let message: Int32Array | undefined;
    if (action.kind === 'sendActivation' || action.kind === 'sendGradient') {
      const name = `${stage} ${action.stage}`;
      const channel = channels.get(name) ?? openChannel(schedule, stage, action.stage);
      channels.set(name, channel);
      countSend(channel, clock);
      message = clock.slice();
      message[stage] = index + 1;
    }
    clock[stage] = index + 1;
    return message;
  });

  const stuckStage = ran.findIndex((count, stage) => count < stages[stage]!.length);
  return {
    stuck: stuckStage < 0 ? undefined : describeDeadlock(schedule, ran, stuckStage),
    peakInFlight: [...channels.values()].map(({ from, to, peak }) => ({ from, to, messages: peak })),
  };
}

interface Channel {
  readonly from: number;
  readonly to: number;
  /** Where the receiver's list takes a message of this channel, ascending. */
  readonly receives: readonly number[];
  sent: number;
  /** How many have certainly been received, as the sender knows. */
  known: number;
  peak: number;
}

function openChannel(schedule: Schedule, from: number, to: number): Channel {
  const receives: number[] = [];
  schedule.stages[to]!.forEach((action, index) => {
    if (isReceive(action) && action.stage === from) receives.push(index);
  });
  return { from, to, receives, sent: 0, known: 0, peak: 0 };
}

function countSend(channel: Channel, clock: Int32Array): void {
  const ended = clock[channel.to]!;
  while (channel.known < channel.receives.length && channel.receives[channel.known]! < ended) channel.known++;
  channel.sent++;
  channel.peak = Math.max(channel.peak, channel.sent - channel.known);
}

function joinInto(clock: Int32Array, other: Int32Array): void {
  for (let stage = 0; stage < clock.length; stage++) {
    if (other[stage]! > clock[stage]!) clock[stage] = other[stage]!;
  }
}

/** Follows who waits for whom, from one stuck stage round to a stage seen before. */
function describeDeadlock(schedule: Schedule, ran: readonly number[], first: number): string {
  const waits: string[] = [];
  const seen = new Set<number>();
  let stage = first;
  while (!seen.has(stage)) {
    seen.add(stage);
    const index = ran[stage]!;
    const action = schedule.stages[stage]![index];
    if (!action || !isReceive(action)) break;
    waits.push(`stage ${stage}, action ${index} (${describeAction(action)})`);
    stage = action.stage;
  }
  return `deadlock: ${waits.join(' waits for ')} waits for stage ${stage}`;
}

function isReceive(action: Action): action is Extract<Action, { stage: number }> {
  return action.kind === 'recvActivation' || action.kind === 'recvGradient';
}
