// The kinds of devices in a cluster, and which of them some ranks are on: ranks are placed on devices in their order.
import { type Mesh, worldSize } from '../../mesh/mesh.ts';
import type { Cluster } from './cluster.ts';
import type { Device } from './device.ts';

/** One after another. */
export function groupsOfDevices({ device, devices, others = [] }: Cluster): { device: Device; devices: number }[] {
  const first = others.reduce((left, group) => left - group.devices, devices);
  return [{ device, devices: first }, ...others];
}

/** Each once. */
export const kindsOf = (cluster: Cluster): Device[] => kindsAt(cluster, 0, cluster.devices);

/** Of ranks [first, end). */
export function kindsAt(cluster: Cluster, first: number, end: number): Device[] {
  const kinds = new Set<Device>();
  let begin = 0;
  for (const { device, devices } of groupsOfDevices(cluster)) {
    if (begin < end && begin + devices > first) kinds.add(device);
    begin += devices;
  }
  return [...kinds];
}

/** E.g. `8 × NVIDIA H100 SXM5 80 GB + 8 × NVIDIA A100 SXM4 80 GB`. */
export const devicesText = (cluster: Cluster): string =>
  groupsOfDevices(cluster)
    .map(({ device, devices }) => `${devices} × ${device.title}`)
    .join(' + ');

/** Those that the ranks of each stage are on. */
export function kindsOfStages(cluster: Cluster, mesh: Mesh): Device[][] {
  const ranks = worldSize(mesh) / mesh.pp;
  return Array.from({ length: mesh.pp }, (_, stage) => kindsAt(cluster, stage * ranks, (stage + 1) * ranks));
}

/** The same with other memory on each kind. */
export function withMemory(cluster: Cluster, of: (device: Device) => number): Cluster {
  const kinds = new Map(kindsOf(cluster).map((device) => [device, { ...device, memoryBytes: of(device) }]));
  const { device, others } = cluster;
  return {
    ...cluster,
    device: kinds.get(device)!,
    ...(others ? { others: others.map((group) => ({ ...group, device: kinds.get(group.device)! })) } : {}),
  };
}

/** Of all devices, what `of` says of each, added up. */
export const sumOfDevices = (cluster: Cluster, of: (device: Device) => number): number =>
  groupsOfDevices(cluster).reduce((sum, { device, devices }) => sum + devices * of(device), 0);
