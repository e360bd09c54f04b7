// How many sequences a rank works on at a time when nobody says.
import type { Layout } from '../mesh/layout.ts';
import { replicasOf } from '../mesh/mesh.ts';
import { divisors, largestBatch } from '../model/fit.ts';

const largestMicroBatch = 4;

/** Sequences of a microbatch at most, of so many on each replica: a pipeline needs several microbatches to keep its stages busy. */
export const mostSequences = (share: number, pp: number): number =>
  Math.min(largestMicroBatch, pp > 1 ? Math.max(1, Math.floor(share / (4 * pp))) : largestMicroBatch);

/**
 * A microbatch as large as divides a rank's share, up to 4 sequences; a pipeline needs several microbatches to keep its stages
 * busy, so there it is at most a (4 · stages)-th of the share. A global batch that the replicas do not divide, or
 * beyond all bounds, gives 1 (and is refused later).
 */
export function defaultMicroBatch(globalBatch: number, layout: Layout): number {
  const { pp } = layout;
  const share = globalBatch / replicasOf(layout);
  if (!Number.isInteger(share) || globalBatch > largestBatch) return 1;
  return divisors(share).findLast((size) => size <= mostSequences(share, pp)) ?? 1;
}
