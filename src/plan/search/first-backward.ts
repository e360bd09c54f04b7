// What a stage of a pipeline does before its first backward: forwards alone.
import type { ScheduleName } from '../../mesh/layout.ts';

export interface Pipelined {
  readonly schedule: ScheduleName;
  readonly pp: number;
  readonly virtual: number;
  readonly microbatches: number;
}

/** Calls `visit` with how many forwards of which chunk they are, in their order; the very last by itself. */
export function eachForward(
  { schedule, pp, virtual, microbatches }: Pipelined,
  stage: number,
  visit: (chunk: number, count: number) => void,
): void {
  if (schedule === 'gpipe') {
    for (let chunk = 0; chunk < virtual - 1; chunk++) visit(chunk, microbatches);
    visit(virtual - 1, microbatches - 1);
    visit(virtual - 1, 1);
    return;
  }
  // Groups of microbatches go through all chunks one after another: see schedule/interleaved.ts.
  const groups = virtual === 1 ? 1 : Math.max(1, Math.floor(microbatches / pp));
  const size = Math.floor(microbatches / groups);
  const larger = microbatches % groups;
  const largest = size + (larger > 0 ? 1 : 0);
  const warm = virtual === 1 ? pp - 1 - stage : 2 * (pp - 1 - stage) + (virtual - 1) * largest;
  let left = Math.min(warm, microbatches * virtual - 1);
  for (let group = 0; group < groups; group++) {
    const count = group < larger ? largest : size;
    for (let chunk = 0; chunk < virtual; chunk++) {
      if (left < count) {
        visit(chunk, left);
        visit(chunk, 1);
        return;
      }
      visit(chunk, count);
      left -= count;
    }
  }
}
