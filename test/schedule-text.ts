// A whole schedule in short form, for tests.
import type { Action, Schedule } from '../src/schedule/schedule.ts';

/** One line a stage, e.g. `1: <a0 F0 a0> <g0 B0 g0>`: `<` is a receive, `>` a send, `a` activation, `g` gradient. */
export function scheduleText(schedule: Schedule): string {
  return schedule.stages.map((actions, stage) => `${stage}: ${actions.map(shortAction).join(' ')}`).join('\n');
}

function shortAction({ kind, microbatch }: Action): string {
  switch (kind) {
    case 'forward':
      return `F${microbatch}`;
    case 'backward':
      return `B${microbatch}`;
    case 'recvActivation':
      return `<a${microbatch}`;
    case 'sendActivation':
      return `a${microbatch}>`;
    case 'recvGradient':
      return `<g${microbatch}`;
    case 'sendGradient':
      return `g${microbatch}>`;
  }
}
