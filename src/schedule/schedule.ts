// A pipeline schedule as data: for each stage, the list of things it does in order.

/** One thing a stage does for one microbatch. Sends and receives name the other stage. */
export type Action =
  | { readonly kind: 'forward' | 'backward'; readonly microbatch: number }
  | {
      readonly kind: 'sendActivation' | 'recvActivation' | 'sendGradient' | 'recvGradient';
      readonly microbatch: number;
      /** The stage at the other end. */
      readonly stage: number;
    };

export interface Schedule {
  readonly name: string;
  readonly microbatches: number;
  /** `stages[s]` is what stage s does, in order. */
  readonly stages: readonly (readonly Action[])[];
}

export { type ScheduleName, scheduleNames } from '../mesh/layout.ts';
