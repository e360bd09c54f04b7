// The all-reduce that engines have of their own for short messages: every rank reads all that others have, and adds it up.
import type { Cluster } from '../hardware/cluster.ts';
import type { EngineTimes } from './engines.ts';

/** Of a link's rate, what many small reads of others' memory come to. */
const readShare = 0.6;

/** Seconds, where all ranks are in the innermost tier; elsewhere it cannot be done. */
export function reduceAtOnce(
  bytes: number,
  spread: readonly number[],
  { tiers }: Cluster,
  { reduceSeconds }: EngineTimes,
): number {
  const [ranks = 1, ...outer] = spread;
  if (outer.some((others) => others > 1)) return Number.POSITIVE_INFINITY;
  return reduceSeconds + ((ranks - 1) * bytes) / (readShare * tiers[0]!.bytesPerSecond);
}
