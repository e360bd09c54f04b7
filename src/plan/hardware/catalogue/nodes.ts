// How devices of a kind are built together: the links within a node or rack, and the network that usually joins those.
import type { Tier } from '../cluster.ts';
import type { Device } from '../device.ts';
import type { Host } from '../host.ts';
import { hopSeconds, type LinkKind } from '../link.ts';
import { hosts } from './hosts.ts';

export interface Node {
  /** Innermost first; the last is the node, or what a fabric joins: a rack, a pod. */
  readonly tiers: readonly Tier[];
  readonly fabric: string;
  /** Network cards of the node, where they are not one a device. */
  readonly cards?: number;
  /** Jobs may have alike parts of it: 128 devices of racks of 72 are two times 64. */
  readonly divides?: true;
  /** Undefined: such devices stand in hosts of many kinds. */
  readonly host?: Host;
}

const tier = (name: string, link: LinkKind, devices: number, bytesPerSecond: number, source: string): Tier => ({
  name,
  link,
  devices,
  bytesPerSecond,
  latencySeconds: hopSeconds[link],
  source,
});

const switched = (of: Tier): Tier => ({ ...of, reducesInSwitches: true });

const nvlink = 'NVIDIA data sheet: half of the NVLink bandwidth, which counts both directions';
const pcie = 'PCI Express base specification: x16, one direction, after encoding';

const cards = (bridge: LinkKind | undefined, bytesPerSecond: number, fabric: string): Node => ({
  tiers: [
    ...(bridge ? [tier('bridge', bridge, 2, 300e9, `${nvlink}: two cards joined by NVLink bridges`)] : []),
    bridge
      ? tier(
          'node',
          'pcie',
          8,
          bytesPerSecond / 2,
          `${pcie}; of two cards that are bridged one at a time talks to others`,
        )
      : tier('node', 'pcie', 8, bytesPerSecond, pcie),
  ],
  fabric,
  cards: 2,
});

const pcie4 = 31.5e9;
const pcie5 = 63e9;

const hgx = (link: LinkKind, bytesPerSecond: number, fabric: string, host: Host): Node => ({
  tiers: [tier('node', link, 8, bytesPerSecond, nvlink)],
  fabric,
  host,
});

/** From Hopper on NVSwitches add up what passes through them. */
const adding = (of: Node): Node => ({ ...of, tiers: of.tiers.map(switched) });

const rack: Node = {
  tiers: [switched(tier('rack', 'nvlink-5', 72, 900e9, nvlink))],
  fabric: 'infiniband-ndr',
  divides: true,
  host: hosts.grace,
};

const pod = (devices: number, bytesPerSecond: number): Node => ({
  tiers: [
    tier(
      'pod',
      'ici',
      devices,
      bytesPerSecond,
      'Google Cloud TPU documentation: half of the bidirectional ICI bandwidth',
    ),
  ],
  fabric: 'ethernet-100',
  cards: devices / 4,
  divides: true,
});

const a100 = hgx('nvlink-3', 300e9, 'infiniband-hdr', hosts.dgxA100);
const h100 = adding(hgx('nvlink-4', 450e9, 'infiniband-ndr', hosts.dgxH100));
const b200 = adding(hgx('nvlink-5', 900e9, 'infiniband-ndr', hosts.dgxB200));
/** A DGX-1 has a network card for two GPUs. */
const v100: Node = { ...hgx('nvlink-2', 150e9, 'infiniband-edr', hosts.dgx1), cards: 4 };

/** By name of the device. */
export const nodes: Readonly<Record<string, Node>> = {
  'v100-16': v100,
  'v100-32': v100,
  'a100-40-sxm': { ...a100, host: hosts.dgxA100of40 },
  'a100-80-sxm': a100,
  'a100-40-pcie': cards('nvlink-3', pcie4, 'infiniband-hdr'),
  'a100-80-pcie': cards('nvlink-3', pcie4, 'infiniband-hdr'),
  'a800-80-sxm': hgx('nvlink-3', 200e9, 'infiniband-hdr', hosts.dgxA100),
  'h100-sxm': h100,
  'h100-pcie': cards('nvlink-4', pcie5, 'infiniband-ndr'),
  'h100-nvl': cards('nvlink-4', pcie5, 'infiniband-ndr'),
  'h100-hbm2e': { ...h100, fabric: 'roce-400' },
  'h200-sxm': h100,
  'h800-sxm': adding(hgx('nvlink-4', 200e9, 'infiniband-ndr', hosts.dgxH100)),
  'b200-sxm': b200,
  'b300-sxm': { ...b200, fabric: 'infiniband-xdr', host: hosts.dgxB300 },
  gb200: rack,
  gb300: { ...rack, fabric: 'infiniband-xdr' },
  a40: cards(undefined, pcie4, 'ethernet-100'),
  l40s: cards(undefined, pcie4, 'ethernet-100'),
  'rtx-4090': cards(undefined, pcie4, 'ethernet-25'),
  'rtx-5090': cards(undefined, pcie5, 'ethernet-25'),
  'rtx-pro-6000': cards(undefined, pcie5, 'ethernet-400'),
  mi300x: {
    tiers: [tier('node', 'xgmi', 8, 448e9, 'AMD Instinct MI300X data sheet: seven links of 64 GB/s, one direction')],
    fabric: 'roce-400',
  },
  'tpu-v4': pod(4096, 150e9),
  'tpu-v5e': pod(256, 200e9),
  'tpu-v5p': pod(6144, 600e9),
  'tpu-v6e': pod(256, 400e9),
  'cpu-zen4': {
    tiers: [tier('machine', 'shared-memory', 64, 7.2e9, 'AMD EPYC 9554: 460 GB/s of memory over 64 cores')],
    fabric: 'ethernet-25',
    cards: 1,
  },
};

/** Of a device of the catalogue. */
export const nodeOf = (device: Device): Node => nodes[device.name]!;
