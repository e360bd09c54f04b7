// The first devices of a cluster as a cluster of its own.
import type { Cluster, Tier } from './cluster.ts';

/** Undefined where so many devices do not fill whole nodes, or where devices differ. */
export function partOfCluster(cluster: Cluster, devices: number): Cluster | undefined {
  if (devices === cluster.devices) return cluster;
  if (devices > cluster.devices || cluster.others) return undefined;
  const tiers: Tier[] = [];
  for (const tier of cluster.tiers) {
    if (tier.devices >= devices) return { ...cluster, devices, tiers: [...tiers, { ...tier, devices }] };
    if (devices % tier.devices !== 0) return undefined;
    tiers.push(tier);
  }
  return undefined;
}
