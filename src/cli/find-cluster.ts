// A cluster as the command line names it: a name such as 1024xh100, or a JSON file.
import { fail } from '../errors.ts';
import { maxBytes, readJson } from '../files/json-file.ts';
import type { Cluster } from '../plan/hardware/cluster.ts';
import { parseClusterFile } from '../plan/hardware/cluster-file.ts';
import { parseCluster } from '../plan/hardware/cluster-name.ts';

/** @throws CLUSTER_INVALID, DEVICE_UNKNOWN */
export function findCluster(given: string): Cluster {
  if (!given.endsWith('.json')) return parseCluster(given);
  const json = readJson(given, maxBytes.config, ({ problem }) =>
    fail('CLUSTER_INVALID', { cluster: given, problem, fix: 'give a JSON file of devices and tiers' }),
  );
  const cluster = parseClusterFile(json, given);
  if (cluster.others)
    fail('CLUSTER_INVALID', {
      cluster: given,
      problem: `it has devices of ${cluster.others.length + 1} kinds, which predictions do not take apart yet`,
      fix: 'describe a cluster of one kind, such as that of the slowest',
    });
  return cluster;
}
