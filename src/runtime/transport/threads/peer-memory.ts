// What a rank does with registered memory that is not its own: every access is one of these. `test/races` puts a recorder there.
//
// As with shared-memory.ts, nothing but the meetings around them orders these accesses.
import type { ReduceOp, Vector } from '../transport.ts';

/** Where a vector starts: byte `at` of one of a rank's heaps. `rank` is the world's number. */
export interface Place {
  readonly rank: number;
  readonly heap: number;
  readonly at: number;
}

export interface PeerMemory {
  /** Reads target[start .. start + count) from a place. */
  copy(from: Place, target: Vector, start: number, count: number): void;
  /**
   * Reduces what lies at all places, in their order, into target[start .. start + count). The target is in this rank's registered memory
   * and may be one of the places. Then copies the result to each of `also`.
   */
  reduce(
    op: ReduceOp,
    from: readonly Place[],
    target: Vector,
    start: number,
    count: number,
    also?: readonly Place[],
  ): void;
}

/** The place `bytes` further on. */
export const further = ({ rank, heap, at }: Place, bytes: number): Place => ({ rank, heap, at: at + bytes });
