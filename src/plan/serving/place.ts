// Where the ranks of an instance are: its devices stand in a row, tensor-parallel neighbours side by side.
import type { Cluster } from '../hardware/cluster.ts';

/** How `ranks` devices that are `stride` apart lie over the tiers, innermost first: as many in each as divide what is left. */
export function groupSpread(ranks: number, stride: number, { tiers }: Cluster): number[] {
  let left = ranks;
  let inside = stride;
  return tiers.map(({ devices }, tier) => {
    const room = Math.max(1, Math.floor(devices / inside));
    const here = tier === tiers.length - 1 ? left : greatestDivisor(left, room);
    left /= here;
    inside = Math.max(inside, devices);
    return here;
  });
}

function greatestDivisor(of: number, most: number): number {
  for (let divisor = Math.min(of, most); divisor > 1; divisor--) if (of % divisor === 0) return divisor;
  return 1;
}
