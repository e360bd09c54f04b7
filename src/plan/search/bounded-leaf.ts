// What is known of a leaf before it is predicted.
import type { CountedTalk, StateBytes } from '../summary/summary.ts';
import type { CutPlan } from './cut-plan.ts';
import type { Amounts } from './ease.ts';
import type { StepFigures } from './objective.ts';
import type { Leaf } from './task.ts';

export interface BoundedLeaf {
  readonly leaf: Leaf;
  readonly plan: CutPlan;
  readonly least: StepFigures;
  /** Seconds of the schedule at least, and of what comes after it. */
  readonly span: number;
  readonly after: number;
  /** By stage of `plan.fullest`, of a layout that gives up nothing. */
  readonly held: readonly Held[];
  /** Of what it gives up, as far as that is known. */
  readonly given: Amounts;
}

/** What a stage with these parts holds from step to step, and what that takes after the microbatches. */
export interface StageState {
  readonly bytes: StateBytes;
  readonly talk: readonly CountedTalk[];
  readonly optimizer: number;
}

/** Of the stages that hold most: their state, and bytes of their activations. */
export interface Held {
  readonly state: StageState;
  readonly activations: number;
}
