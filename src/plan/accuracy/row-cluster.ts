// The devices of a row, and how they are joined, as a cluster's name: its GPU, and what it says of its network.
import { numberIn, type Row } from './table.ts';

/** GPUs as tables write them; the first that matches. */
const devices: readonly { readonly says: RegExp; readonly device: string }[] = [
  { says: /(?<![a-z0-9])gb300(?![a-z0-9])/i, device: 'gb300' },
  { says: /(?<![a-z0-9])gb200(?![a-z0-9])/i, device: 'gb200' },
  { says: /(?<![a-z0-9])b300(?![a-z0-9])/i, device: 'b300-sxm' },
  { says: /(?<![a-z0-9])b200(?![a-z0-9])/i, device: 'b200-sxm' },
  { says: /(?<![a-z0-9])h200(?![a-z0-9])/i, device: 'h200-sxm' },
  { says: /(?<![a-z0-9])h100(?![a-z0-9]).*hbm2e/i, device: 'h100-hbm2e' },
  { says: /(?<![a-z0-9])h100(?![a-z0-9]).*pcie/i, device: 'h100-pcie' },
  { says: /(?<![a-z0-9])h100(?![a-z0-9]).*nvl\b/i, device: 'h100-nvl' },
  { says: /(?<![a-z0-9])h100(?![a-z0-9])/i, device: 'h100-sxm' },
  { says: /(?<![a-z0-9])h800(?![a-z0-9])/i, device: 'h800-sxm' },
  { says: /(?<![a-z0-9])a800(?![a-z0-9])/i, device: 'a800-80-sxm' },
  {
    says: /(?<![a-z0-9])a100(?![a-z0-9]).*40 ?gb?.*pcie|(?<![a-z0-9])a100(?![a-z0-9]).*pcie.*40 ?gb?/i,
    device: 'a100-40-pcie',
  },
  { says: /(?<![a-z0-9])a100(?![a-z0-9]).*pcie/i, device: 'a100-80-pcie' },
  { says: /(?<![a-z0-9])a100(?![a-z0-9]).*40 ?gb?/i, device: 'a100-40-sxm' },
  { says: /(?<![a-z0-9])a100(?![a-z0-9])|ampere/i, device: 'a100-80-sxm' },
  { says: /(?<![a-z0-9])v100(?![a-z0-9]).*16 ?gb?/i, device: 'v100-16' },
  { says: /(?<![a-z0-9])v100(?![a-z0-9])/i, device: 'v100-32' },
  { says: /(?<![a-z0-9])l40s(?![a-z0-9])/i, device: 'l40s' },
  { says: /(?<![a-z0-9])mi300x(?![a-z0-9])/i, device: 'mi300x' },
  { says: /(?<![a-z0-9])v5p(?![a-z0-9])/i, device: 'tpu-v5p' },
  { says: /(?<![a-z0-9])v5e(?![a-z0-9])/i, device: 'tpu-v5e' },
  { says: /v6e|trillium/i, device: 'tpu-v6e' },
  { says: /rtx pro 6000/i, device: 'rtx-pro-6000' },
  { says: /(?<!\d)4090(?!\d)/, device: 'rtx-4090' },
  { says: /(?<!\d)5090(?!\d)/, device: 'rtx-5090' },
];

/** Network cards: how many a node has, where that is said, and gigabits a second of one. */
interface Cards {
  readonly count?: number;
  readonly gigabits: number;
}

const perNode = 8;

/** Networks as tables write them; the first that matches. */
const networks: readonly { readonly says: RegExp; readonly cards: (found: RegExpExecArray) => Cards }[] = [
  {
    says: /(\d+) ?x ?(\d+) ?GB\/s/,
    cards: ([, count, bytes]) => ({ count: Number(count), gigabits: 8 * Number(bytes) }),
  },
  {
    says: /(\d+) ?x ?(?:HDR )?(\d+) ?Gb/,
    cards: ([, count, bits]) => ({ count: Number(count), gigabits: Number(bits) }),
  },
  {
    says: /(\d+) ?Gbps (?:node-node|per node)/,
    cards: ([, bits]) => ({ count: perNode, gigabits: Number(bits) / perNode }),
  },
  { says: /(\d+) ?G(?:b\/s|b?\b)/, cards: ([, bits]) => ({ gigabits: Number(bits) }) },
];

const infiniband: Readonly<Record<number, string>> = { 100: 'edr', 200: 'hdr', 400: 'ndr', 800: 'xdr' };

/** `4xroce-100`, `omni-path`; undefined: the network that is usual. */
function fabricOf(interconnect: string): string | undefined {
  const paths = /(\d+) omni-path links/i.exec(interconnect);
  if (paths) return `${paths[1]}xomni-path`;
  const found = networks.flatMap(({ says, cards }) => {
    const match = says.exec(interconnect);
    return match ? [cards(match)] : [];
  })[0];
  const rate = found && infiniband[found.gigabits];
  if (!found || rate === undefined) return undefined;
  const fabric = /roce/i.test(interconnect) ? `roce-${found.gigabits}` : `infiniband-${rate}`;
  return found.count === undefined ? fabric : `${found.count}x${fabric}`;
}

export type ClusterName = { readonly name: string } | { readonly problem: string };

/** The name for parseCluster, or why there is none. */
export function clusterNameOf(row: Row, count = numberIn(row, 'num_gpus')): ClusterName {
  const gpu = row.gpu ?? '';
  const device = devices.find(({ says }) => says.test(gpu))?.device;
  if (device === undefined) return { problem: gpu === '' ? 'it names no GPU' : `${gpu} is not in the catalogue` };
  if (count === undefined) return { problem: 'it does not say how many GPUs' };
  const fabric = fabricOf(row.interconnect ?? '');
  return { name: `${count}x${device}${fabric === undefined ? '' : `@${fabric}`}` };
}
