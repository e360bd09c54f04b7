// Clusters by name: `1024xh100`, `384xa100@omni-path`, `64xa100-80@4xroce-100` (four network cards a node).
import { fail } from '../../errors.ts';
import { deviceOf } from './catalogue/devices.ts';
import { type Fabric, fabricOf } from './catalogue/fabrics.ts';
import { type Node, nodeOf } from './catalogue/nodes.ts';
import type { Cluster, Tier } from './cluster.ts';
import type { Device } from './device.ts';

const form = /^(\d+)x([^@]+)(?:@(?:(\d+)x)?([^@]+))?$/i;

/** More devices than any cluster has. */
const mostDevices = 2 ** 21;

/**
 * The cluster of this name: so many devices of the catalogue, in its nodes, on the fabric that is named or usual.
 * Throws CLUSTER_INVALID and DEVICE_UNKNOWN.
 */
export function parseCluster(name: string): Cluster {
  const [, count, kind, cards, network] = form.exec(name.trim()) ?? [];
  if (count === undefined || kind === undefined)
    return refuse(name, 'it is not so many devices', 'write it like 1024xh100 or 384xa100@omni-path');
  const devices = Number(count);
  if (devices < 1 || devices > mostDevices)
    return refuse(name, `it has ${count} devices`, `give from 1 to ${mostDevices}`);
  if (cards !== undefined && Number(cards) < 1)
    return refuse(name, 'its nodes have no network cards', 'give one or more');
  const device = deviceOf(kind);
  const node = nodeOf(device);
  const within = devicesOfBlock(name, devices, node, kind);
  const inner = tiersWithin(node, within);
  const fabric = fabricOf(network ?? node.fabric, name);
  const outer = devices > within ? [between(node, fabric, devices, device, cards)] : [];
  return { name, device, devices, tiers: [...inner, ...outer], ...(node.host ? { host: node.host } : {}) };
}

const devicesOf = (node: Node): number => node.tiers.at(-1)!.devices;

/** Devices of one node, rack or pod as the cluster has them: whole ones, or alike parts. */
function devicesOfBlock(name: string, devices: number, node: Node, kind: string): number {
  const most = devicesOf(node);
  if (devices <= most) return devices;
  if (devices % most === 0) return most;
  if (node.divides) {
    // Parts of less than half would be another machine.
    for (let part = most; part > most / 2; part--) if (devices % part === 0) return part;
  }
  const whole = Math.floor(devices / most) * most;
  return refuse(
    name,
    `${devices} devices do not fill nodes of ${most}`,
    `use ${whole}x${kind} or ${whole + most}x${kind}, or describe the cluster in a file`,
  );
}

/** The node's tiers as far as they divide the block, the last one cut to it. */
function tiersWithin(node: Node, block: number): Tier[] {
  const inner = node.tiers.filter((tier) => tier.devices < block && block % tier.devices === 0);
  const last = node.tiers.find((tier) => tier.devices >= block)!;
  return [...inner, { ...last, devices: block }];
}

/** Devices of a node share its network cards, and reach them over their host link. */
function between(node: Node, fabric: Fabric, devices: number, device: Device, given: string | undefined): Tier {
  const cards = given === undefined ? (fabric.cards ?? node.cards ?? devicesOf(node)) : Number(given);
  const share = (cards * fabric.bytesPerSecond) / devicesOf(node);
  return {
    name: fabric.name,
    link: fabric.link,
    devices,
    bytesPerSecond: Math.min(share, device.hostBytesPerSecond),
    latencySeconds: fabric.latencySeconds,
    source: `${fabric.source}; ${cards} network cards for ${devicesOf(node)} devices`,
  };
}

const refuse = (cluster: string, problem: string, fix: string): never =>
  fail('CLUSTER_INVALID', { cluster, problem, fix });
