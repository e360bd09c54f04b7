// What holds at any relative speed of the stages: that all of them end, and how many messages a channel must hold.
import type { Schedule } from './schedule.ts';
import { walk } from './walk.ts';

/** The most messages that can be under way from one stage to another: sent or being sent, and not yet received. */
export interface ChannelProof {
  readonly from: number;
  readonly to: number;
  readonly messages: number;
}

/** Of an action: the index in its stage's list. */
export interface Place {
  readonly stage: number;
  readonly index: number;
}

export interface ExecutionProof {
  /** Receives that wait for each other in a circle, or the last one for a stage that has ended; undefined: it ends. */
  readonly cycle: readonly Place[] | undefined;
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
    if (action.kind === 'send') {
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
    cycle: stuckStage < 0 ? undefined : waitingIn(schedule, ran, stuckStage),
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
    if (action.kind === 'recv' && action.stage === from) receives.push(index);
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

/** Follows who waits for whom, from one stuck stage to one seen before: the circle, without the way into it. */
function waitingIn(schedule: Schedule, ran: readonly number[], first: number): Place[] {
  const waits: Place[] = [];
  let stage = first;
  for (;;) {
    const seen = waits.findIndex((place) => place.stage === stage);
    if (seen >= 0) return waits.slice(seen);
    const index = ran[stage]!;
    const action = schedule.stages[stage]![index];
    if (action?.kind !== 'recv') return waits;
    waits.push({ stage, index });
    stage = action.stage;
  }
}
