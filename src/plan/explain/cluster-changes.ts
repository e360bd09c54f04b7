// A cluster that is otherwise in one respect: its links, or its devices' memory, twice and half of what they are.
import type { Cluster } from '../hardware/cluster.ts';
import { withMemory } from '../hardware/kinds.ts';

export interface ClusterChange {
  /** E.g. `node links twice as fast`. */
  readonly name: string;
  readonly cluster: Cluster;
}

export const twiceAndHalf = (what: string, as: string): { readonly name: string; readonly times: number }[] => [
  { name: `${what} twice ${as}`, times: 2 },
  { name: `${what} half ${as}`, times: 0.5 },
];

/** Of every tier; none where one device has nobody to talk to. */
export const linkChanges = (cluster: Cluster): ClusterChange[] =>
  (cluster.devices > 1 ? cluster.tiers : []).flatMap(({ name: tierName, bytesPerSecond }, at) =>
    twiceAndHalf(`${tierName} links`, 'as fast').map(({ name, times }) => ({
      name,
      cluster: {
        ...cluster,
        tiers: cluster.tiers.map((tier, i) => (i === at ? { ...tier, bytesPerSecond: times * bytesPerSecond } : tier)),
      },
    })),
  );

export const memoryChanges = (cluster: Cluster): ClusterChange[] =>
  twiceAndHalf('memory', 'as large').map(({ name, times }) => ({
    name,
    cluster: withMemory(cluster, ({ memoryBytes }) => times * memoryBytes),
  }));
