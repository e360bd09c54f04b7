// The numbers of devices that a part of a cluster may have: whole nodes, so many as there are layouts for.
import { divisors } from '../../model/fit.ts';
import type { Cluster } from '../hardware/cluster.ts';
import { partOfCluster } from '../hardware/part-of-cluster.ts';

/** Layouts divide devices by powers of two and little else. */
const smallOdd = [1, 3, 5, 7];

/** Of a node where there is one alone. */
const unitOf = ({ tiers }: Cluster): number => tiers.at(-2)?.devices ?? 1;

/** Rising, all of them last: 1, 3, 5 and 7 times a power of two, and what divides the cluster. */
export function clusterSizes(cluster: Cluster): number[] {
  const unit = unitOf(cluster);
  const units = Math.floor(cluster.devices / unit);
  const counts = new Set(divisors(units));
  for (const odd of smallOdd) for (let count = odd; count <= units; count *= 2) counts.add(count);
  return [...counts].map((count) => count * unit).sort((a, b) => a - b);
}

/** So many devices of a cluster, called so; undefined where they are no cluster of their own. */
export function namedPart(cluster: Cluster, devices: number): Cluster | undefined {
  const part = partOfCluster(cluster, devices);
  const counted = /^\d+(?=x)/;
  const name = counted.test(cluster.name)
    ? cluster.name.replace(counted, `${devices}`)
    : `${devices} devices of ${cluster.name}`;
  return part && (devices === cluster.devices ? cluster : { ...part, name });
}
