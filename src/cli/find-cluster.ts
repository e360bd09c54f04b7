// A cluster as the command line names it: a name such as 1024xh100, local for this machine, or a JSON file.
import { fail } from '../errors.ts';
import { maxBytes, readJson } from '../files/json-file.ts';
import type { Cluster } from '../plan/hardware/cluster.ts';
import { parseClusterFile } from '../plan/hardware/cluster-file.ts';
import { parseCluster } from '../plan/hardware/cluster-name.ts';
import { isMeasured, parseMeasuredFile } from '../plan/hardware/measured-file.ts';
import { namedPart } from '../plan/needs/sizes.ts';
import { isLocal, localSource } from './machine-file.ts';

/** A name, or what a file holds; of it so many devices, where that is not all. */
export type ClusterSource = ({ readonly name: string } | { readonly file: unknown }) & { readonly devices?: number };

/** @throws CLUSTER_INVALID */
export const readClusterSource = (given: string): ClusterSource =>
  given.endsWith('.json')
    ? {
        file: readJson(given, maxBytes.config, ({ problem }) =>
          fail('CLUSTER_INVALID', { cluster: given, problem, fix: 'give a JSON file of devices and tiers' }),
        ),
      }
    : isLocal(given)
      ? { file: localSource(given) }
      : { name: given };

/** `path`: of a file, for messages. @throws CLUSTER_INVALID, DEVICE_UNKNOWN */
export function clusterOf(source: ClusterSource, path: string): Cluster {
  const whole = wholeCluster(source, path);
  if (source.devices === undefined) return whole;
  return (
    namedPart(whole, source.devices) ??
    fail('CLUSTER_INVALID', {
      cluster: path,
      problem: `${source.devices} of its ${whole.devices} devices are no whole nodes`,
      fix: 'give a number of devices that fills nodes',
    })
  );
}

function wholeCluster(source: ClusterSource, path: string): Cluster {
  if ('name' in source) return parseCluster(source.name);
  if (isMeasured(source.file)) return parseMeasuredFile(source.file, path);
  const cluster = parseClusterFile(source.file, path);
  if (cluster.others)
    fail('CLUSTER_INVALID', {
      cluster: path,
      problem: `it has devices of ${cluster.others.length + 1} kinds, which predictions do not take apart yet`,
      fix: 'describe a cluster of one kind, such as that of the slowest',
    });
  return cluster;
}
