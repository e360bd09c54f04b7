// A whole schedule in short form with its messages, for tests.
import { writer } from '../src/schedule/describe.ts';
import { type Action, isMessage, type Schedule } from '../src/schedule/schedule.ts';

/** One line a stage, e.g. `1: <a0 F0 a0> <g0 B0 g0>`: `<` is a receive, `>` a send, `a` activation, `g` gradient. */
export function scheduleText(schedule: Schedule): string {
  const written = writer(schedule);
  const short = (action: Action): string => {
    if (!isMessage(action)) return written(action);
    const chunk = schedule.chunks > 1 ? `.${action.chunk}` : '';
    const message = `${action.what === 'activation' ? 'a' : 'g'}${action.microbatch}${chunk}`;
    return action.kind === 'send' ? `${message}>` : `<${message}`;
  };
  return schedule.stages.map((actions, stage) => `${stage}: ${actions.map(short).join(' ')}`).join('\n');
}
