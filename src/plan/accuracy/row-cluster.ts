// The devices of a training row, and how they are joined: its GPU by name, its network from what it says of it.
import { numberIn, type Row } from './table.ts';

/** What a row says of its cluster. */
export interface RowCluster {
  /** A device of the catalogue. */
  readonly device: string;
  readonly devices: number;
  readonly fabric?: 'infiniband' | 'roce' | 'omni-path';
  /** Of one device to other nodes, one direction. */
  readonly bytesPerSecond?: number;
}

/** GPUs as tables write them; the first that matches. */
const devices: readonly { readonly says: RegExp; readonly device: string }[] = [
  { says: /gb300/i, device: 'gb300-nvl72' },
  { says: /gb200/i, device: 'gb200-nvl72' },
  { says: /b300/i, device: 'b300' },
  { says: /b200/i, device: 'b200' },
  { says: /h200/i, device: 'h200' },
  { says: /h100.*96 ?gb.*500 ?w/i, device: 'h100-96gb' },
  { says: /h100.*pcie/i, device: 'h100-pcie' },
  { says: /h100.*nvl\b/i, device: 'h100-nvl' },
  { says: /h100/i, device: 'h100-sxm' },
  { says: /h800/i, device: 'h800' },
  { says: /a800/i, device: 'a800' },
  { says: /a100.*pcie/i, device: 'a100-pcie-80' },
  { says: /a100.*40 ?gb?/i, device: 'a100-40' },
  { says: /a100|ampere/i, device: 'a100-80' },
  { says: /l40s/i, device: 'l40s' },
  { says: /v100/i, device: 'v100' },
  { says: /mi300x/i, device: 'mi300x' },
  { says: /v5p/i, device: 'tpu-v5p' },
  { says: /v5e/i, device: 'tpu-v5e' },
  { says: /4090/, device: 'rtx-4090' },
  { says: /5090/, device: 'rtx-5090' },
];

const perNode = 8;

/** Gigabits a second of a device, as interconnects are written. */
const rates: readonly { readonly says: RegExp; readonly gigabits: (found: RegExpExecArray) => number }[] = [
  { says: /(\d+) ?x ?(\d+) ?GB\/s/, gigabits: ([, links, bytes]) => (Number(links) * Number(bytes) * 8) / perNode },
  { says: /(\d+) ?x ?(?:HDR )?(\d+) ?Gb/, gigabits: ([, links, bits]) => (Number(links) * Number(bits)) / perNode },
  { says: /(\d+) ?Gbps (?:node-node|per node)/, gigabits: ([, bits]) => Number(bits) / perNode },
  { says: /(\d+) Omni-Path links/i, gigabits: ([, links]) => (Number(links) * 100) / perNode },
  { says: /(\d+) ?G(?:b\/s|b\b|\b)/, gigabits: ([, bits]) => Number(bits) },
];

const fabrics: readonly { readonly says: RegExp; readonly fabric: NonNullable<RowCluster['fabric']> }[] = [
  { says: /omni-?path/i, fabric: 'omni-path' },
  { says: /roce/i, fabric: 'roce' },
  { says: /\bIB\b|infiniband|hdr|ndr/i, fabric: 'infiniband' },
];

/** What it says, or why nothing can be predicted for it. */
export function clusterWords(row: Row): RowCluster | string {
  const gpu = row.gpu ?? '';
  const device = devices.find(({ says }) => says.test(gpu))?.device;
  if (device === undefined) return gpu === '' ? 'it names no GPU' : `${gpu} is not in the catalogue`;
  const count = numberIn(row, 'num_gpus');
  if (count === undefined) return 'it does not say how many GPUs';
  const interconnect = row.interconnect ?? '';
  const fabric = fabrics.find(({ says }) => says.test(interconnect))?.fabric;
  const gigabits = rates.flatMap(({ says, gigabits }) => {
    const found = says.exec(interconnect);
    return found ? [gigabits(found)] : [];
  })[0];
  return {
    device,
    devices: count,
    ...(fabric === undefined ? {} : { fabric }),
    ...(gigabits === undefined ? {} : { bytesPerSecond: (gigabits * 1e9) / 8 }),
  };
}
