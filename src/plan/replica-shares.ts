// How many of a step's microbatches each replica does, so that none is done later than it must be.

/**
 * Microbatches of each replica, at least one each, so that the greatest time of a replica is least; `seconds`: of a microbatch, by replica.
 * At least as many as replicas. Each goes to the replica that is soonest done with it, which no other way can do better.
 */
export function replicaShares(microbatches: number, seconds: readonly number[]): number[] {
  const shares = seconds.map(() => 1);
  for (let left = microbatches - shares.length; left > 0; left--) {
    const done = shares.map((share, dp) => (share + 1) * seconds[dp]!);
    shares[done.indexOf(Math.min(...done))]! += 1;
  }
  return shares;
}
