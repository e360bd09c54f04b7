// Which works of a stage that microbatches go through both ways are computed side by side: what one of them says is on its way while the other computes.
import type { Work } from './schedule.ts';

/** The same with a forward and the whole backward right after it, of the other direction, marked as side by side. */
export function sideBySide(work: readonly Work[]): Work[] {
  const isFirst = (at: number): boolean => {
    const [one, other] = [work[at], work[at + 1]];
    return one?.kind === 'forward' && other?.kind === 'backward' && one.chunk !== other.chunk;
  };
  return work.map((each, at) => (isFirst(at) || isFirst(at - 1) ? { ...each, beside: true } : each));
}
