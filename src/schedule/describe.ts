// An action of a schedule in words, for errors.
import type { Action } from './schedule.ts';

/** In words, e.g. `recvActivation of microbatch 3 from stage 1`. */
export function describeAction(action: Action): string {
  const what = `${action.kind} of microbatch ${action.microbatch}`;
  if (!('stage' in action)) return what;
  const toward = action.kind === 'sendActivation' || action.kind === 'sendGradient' ? 'to' : 'from';
  return `${what} ${toward} stage ${action.stage}`;
}
