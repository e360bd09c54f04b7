// An action of a schedule in words, for errors.
import { type Action, isMessage, type Schedule, type WorkKind } from './schedule.ts';

const work: Readonly<Record<WorkKind, string>> = {
  forward: 'forward',
  backward: 'backward',
  inputGradient: 'input gradient',
  weightGradient: 'weight gradient',
};

/** E.g. `recv of the activation of microbatch 3 from stage 1`; chunks are named where there are several. */
export function inWords(action: Action, { chunks }: Pick<Schedule, 'chunks'>): string {
  const which = `microbatch ${action.microbatch}${chunks > 1 ? `, chunk ${action.chunk}` : ''}`;
  if (!isMessage(action)) return `${work[action.kind]} of ${which}`;
  const { kind, what, stage } = action;
  return `${kind} of the ${what} of ${which} ${kind === 'send' ? 'to' : 'from'} stage ${stage}`;
}
