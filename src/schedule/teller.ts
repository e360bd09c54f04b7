// How a proof tells what is wrong.
import type { Action } from './schedule.ts';

/** How faults are told: of a schedule in memory, or of a file with its lines. */
export interface Teller {
  /** E.g. `stage 1`. */
  readonly stage: (stage: number) => string;
  /** E.g. `forward of microbatch 3`. */
  readonly action: (action: Action) => string;
  /** E.g. `stage 1, action 4 (forward of microbatch 3)`. */
  readonly at: (stage: number, index: number) => string;
  readonly refuse: (problem: string) => never;
}
