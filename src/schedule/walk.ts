// Walks a schedule in an order that its messages allow: the engine under the proof (verify.ts) and the clock (play.ts).
import type { Action, Schedule } from './schedule.ts';

/** One action being walked; `received` is what the matching send returned, for receives only. */
export interface Visited<Carried> {
  readonly stage: number;
  readonly index: number;
  readonly action: Action;
  readonly received: Carried | undefined;
}

/**
 * Calls `visit` once for every action that can run: a stage's actions in order, a receive after its send. Messages carry what
 * `visit` returns for sends, first in first out on each (from, to) pair; sends never block. The stages are deterministic and
 * wait only for one given sender, so every order that runs reaches the same end: one order speaks for all relative speeds.
 *
 * @returns for each stage, how many of its actions ran: fewer than it has means it waits for ever.
 */
export function walk<Carried>(schedule: Schedule, visit: (step: Visited<Carried>) => Carried): number[] {
  const { stages } = schedule;
  const ran = stages.map(() => 0);
  /** Messages under way, by sender and receiver. */
  const channels = new Map<number, Queue<Carried>>();
  const channel = (from: number, to: number): Queue<Carried> => {
    const key = from * stages.length + to;
    const queue = channels.get(key) ?? { messages: [], taken: 0 };
    channels.set(key, queue);
    return queue;
  };
  const runnable = stages.map((_, stage) => stages.length - 1 - stage);
  const queued = stages.map(() => true);

  for (let stage = runnable.pop(); stage !== undefined; stage = runnable.pop()) {
    queued[stage] = false;
    const actions = stages[stage]!;
    for (let index = ran[stage]!; index < actions.length; index++) {
      const action = actions[index]!;
      let received: Carried | undefined;
      if (action.kind === 'recv') {
        const queue = channel(action.stage, stage);
        if (queue.taken === queue.messages.length) break;
        received = queue.messages[queue.taken];
        // Dropped so that a message lives no longer than it is under way.
        queue.messages[queue.taken++] = undefined;
      }
      const carried = visit({ stage, index, action, received });
      if (action.kind === 'send') {
        channel(stage, action.stage).messages.push(carried);
        if (!queued[action.stage]) {
          queued[action.stage] = true;
          runnable.push(action.stage);
        }
      }
      ran[stage] = index + 1;
    }
  }
  return ran;
}

interface Queue<Carried> {
  readonly messages: (Carried | undefined)[];
  taken: number;
}
