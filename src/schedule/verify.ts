// Proves a schedule before it runs: complete, in order, every send received, no deadlock; and what memory it needs.
import { fail } from '../errors.ts';
import { describeAction } from './describe.ts';
import { type ChannelProof, proveExecution } from './in-flight.ts';
import type { Action, Schedule } from './schedule.ts';

export interface ScheduleProof {
  /** `peakLive[s]`: most microbatches whose forward has begun and whose backward has not ended on stage s. */
  readonly peakLive: readonly number[];
  /** For every (from, to) pair that talks: the most messages that can be under way, at any relative speed of the stages. */
  readonly peakInFlight: readonly ChannelProof[];
}

type Kind = Action['kind'];
/** What must come before each kind of action on the same stage and microbatch, where the stage has it. */
const needs: Readonly<Record<Kind, readonly Kind[]>> = {
  recvActivation: [],
  forward: ['recvActivation'],
  sendActivation: ['forward'],
  recvGradient: ['forward'],
  backward: ['forward', 'recvGradient'],
  sendGradient: ['backward'],
};
/** How far away the stage at the other end is. */
const distance = { sendActivation: 1, recvActivation: -1, sendGradient: -1, recvGradient: 1 } as const;

/** Where each action is in its stage's list: by kind, then by microbatch; -1 before it is found. */
type Positions = Readonly<Partial<Record<Kind, Int32Array>>>;

/**
 * @throws SCHEDULE_INVALID naming the stage, the index in its list and the action that is wrong.
 */
export function verify(schedule: Schedule): ScheduleProof {
  const { stages, microbatches } = schedule;
  if (stages.length === 0) invalid(schedule, 'it has no stages');
  if (!Number.isSafeInteger(microbatches) || microbatches < 1) {
    invalid(schedule, `${microbatches} microbatches; use a whole number of at least 1`);
  }
  for (let stage = 0; stage < stages.length; stage++) {
    const positions = locate(schedule, stage);
    checkOrder(schedule, stage, positions);
  }
  for (let stage = 0; stage + 1 < stages.length; stage++) {
    checkChannel(schedule, stage, 'sendActivation', stage + 1, 'recvActivation');
    checkChannel(schedule, stage + 1, 'sendGradient', stage, 'recvGradient');
  }
  const { stuck, peakInFlight } = proveExecution(schedule);
  if (stuck) invalid(schedule, stuck);
  return { peakLive: stages.map(peakLiveOf), peakInFlight };
}

/** Every action is one this stage can have, and each it must have is there exactly once a microbatch. */
function locate(schedule: Schedule, stage: number): Positions {
  const { stages, microbatches } = schedule;
  const positions: Partial<Record<Kind, Int32Array>> = {};
  for (const kind of kindsOf(stage, stages.length)) positions[kind] = new Int32Array(microbatches).fill(-1);

  for (const [index, action] of stages[stage]!.entries()) {
    const here = () => at(schedule, stage, index);
    const { kind, microbatch } = action;
    if (!Number.isSafeInteger(microbatch) || microbatch < 0 || microbatch >= microbatches) {
      invalid(schedule, `${here()} names a microbatch outside 0..${microbatches - 1}`);
    }
    const found = positions[kind];
    if (!found) invalid(schedule, `${here()} has no other end: this is the ${stage === 0 ? 'first' : 'last'} stage`);
    if ('stage' in action && action.stage !== stage + distance[action.kind]) {
      invalid(schedule, `${here()} must name its neighbour, stage ${stage + distance[action.kind]}`);
    }
    const earlier = found[microbatch]!;
    if (earlier >= 0)
      invalid(schedule, `${here()} was already done at action ${earlier}; each happens once a microbatch`);
    found[microbatch] = index;
  }

  for (const kind of Object.keys(positions) as Kind[]) {
    const microbatch = positions[kind]!.indexOf(-1);
    if (microbatch >= 0) invalid(schedule, `stage ${stage} has no ${kind} of microbatch ${microbatch}`);
  }
  return positions;
}

/** The kinds of action a stage has: the first has no stage before it, the last none behind it. */
function kindsOf(stage: number, stages: number): Kind[] {
  const kinds: Kind[] = ['forward', 'backward'];
  if (stage > 0) kinds.push('recvActivation', 'sendGradient');
  if (stage < stages - 1) kinds.push('sendActivation', 'recvGradient');
  return kinds;
}

/** Every action comes after those it needs on its own stage. */
function checkOrder(schedule: Schedule, stage: number, positions: Positions): void {
  schedule.stages[stage]!.forEach(({ kind, microbatch }, index) => {
    for (const need of needs[kind]) {
      const position = positions[need]?.[microbatch];
      if (position !== undefined && position > index) {
        invalid(
          schedule,
          `${at(schedule, stage, index)} comes before ${at(schedule, stage, position)}, which it needs`,
        );
      }
    }
  });
}

/** What one stage sends is what the other receives, in the same order: messages carry no names, only their place. */
function checkChannel(schedule: Schedule, from: number, send: Kind, to: number, receive: Kind): void {
  const sends = indexesOf(schedule, from, send);
  const receives = indexesOf(schedule, to, receive);
  sends.forEach((sent, i) => {
    const received = receives[i]!;
    if (schedule.stages[from]![sent]!.microbatch === schedule.stages[to]![received]!.microbatch) return;
    invalid(
      schedule,
      `${at(schedule, to, received)} would get the message of ${at(schedule, from, sent)}: orders differ`,
    );
  });
}

function indexesOf(schedule: Schedule, stage: number, kind: Kind): number[] {
  const indexes: number[] = [];
  schedule.stages[stage]!.forEach((action, index) => {
    if (action.kind === kind) indexes.push(index);
  });
  return indexes;
}

function peakLiveOf(actions: readonly Action[]): number {
  let live = 0;
  let peak = 0;
  for (const { kind } of actions) {
    if (kind === 'forward') peak = Math.max(peak, ++live);
    if (kind === 'backward') live--;
  }
  return peak;
}

/** E.g. `stage 1, action 4 (recvGradient of microbatch 0 from stage 2)`. */
const at = (schedule: Schedule, stage: number, index: number): string =>
  `stage ${stage}, action ${index} (${describeAction(schedule.stages[stage]![index]!)})`;

function invalid(schedule: Schedule, problem: string): never {
  fail('SCHEDULE_INVALID', { schedule: schedule.name, problem });
}
