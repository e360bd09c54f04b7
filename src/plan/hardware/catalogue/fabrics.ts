// What joins nodes: one network card's rate each way, and how many cards a node has of it.
import { fail } from '../../../errors.ts';
import { hopSeconds, type LinkKind } from '../link.ts';
import { nearest } from './near-names.ts';

export interface Fabric {
  readonly name: string;
  readonly link: LinkKind;
  /** Of one network card, one direction. */
  readonly bytesPerSecond: number;
  readonly latencySeconds: number;
  /** Cards a node; undefined: one a device. */
  readonly cards?: number;
  readonly source: string;
}

const gigabits = 1e9 / 8;

const fabric = (name: string, link: LinkKind, rate: number, source: string, cards?: number): Fabric => ({
  name,
  link,
  bytesPerSecond: rate * gigabits,
  latencySeconds: hopSeconds[link],
  ...(cards === undefined ? {} : { cards }),
  source,
});

const infiniband = 'InfiniBand Trade Association, InfiniBand roadmap: rate of four lanes';
const ethernet = 'IEEE 802.3 line rate';

export const fabrics: readonly Fabric[] = [
  fabric('infiniband-edr', 'infiniband', 100, infiniband),
  fabric('infiniband-hdr', 'infiniband', 200, infiniband),
  fabric('infiniband-ndr', 'infiniband', 400, infiniband),
  fabric('infiniband-xdr', 'infiniband', 800, infiniband),
  fabric('roce-100', 'roce', 100, ethernet),
  fabric('roce-200', 'roce', 200, ethernet),
  fabric('roce-400', 'roce', 400, ethernet),
  fabric('roce-800', 'roce', 800, ethernet),
  fabric('ethernet-10', 'ethernet', 10, ethernet, 1),
  fabric('ethernet-25', 'ethernet', 25, ethernet, 1),
  fabric('ethernet-100', 'ethernet', 100, ethernet, 1),
  fabric('ethernet-200', 'ethernet', 200, ethernet, 1),
  fabric('ethernet-400', 'ethernet', 400, ethernet, 1),
  fabric(
    'omni-path',
    'omni-path',
    100,
    'Intel Omni-Path 100 product brief; four a node as Jean Zay has (BigScience)',
    4,
  ),
];

/** Rates that are meant where a fabric is named without one. */
const aliases: Readonly<Record<string, string>> = {
  'omni-path-100': 'omni-path',
  opa: 'omni-path',
  edr: 'infiniband-edr',
  hdr: 'infiniband-hdr',
  ndr: 'infiniband-ndr',
  xdr: 'infiniband-xdr',
};

/** The fabric of this name. Throws CLUSTER_INVALID, naming those near it. */
export function fabricOf(name: string, cluster: string): Fabric {
  const key = name.trim().toLowerCase();
  const found = fabrics.find((each) => each.name === (Object.hasOwn(aliases, key) ? aliases[key] : key));
  if (found) return found;
  const names = fabrics.map((each) => each.name);
  const alike = names.filter((each) => each.startsWith(`${key}-`));
  return fail('CLUSTER_INVALID', {
    cluster,
    problem: `there is no fabric "${name}"`,
    fix: `use ${(alike.length > 0 ? alike : nearest(key, names, 4)).join(', ')}, or describe the cluster in a file`,
  });
}
