// Measured collectives out of a table: what was asked of which cluster, and the seconds it took.
import { readFileSync } from 'node:fs';
import type { CollectiveOp } from '../../src/mesh/traffic.ts';
import type { GroupTalk } from '../../src/plan/cost/cost-model.ts';
import type { Cluster } from '../../src/plan/hardware/cluster.ts';
import { parseCluster } from '../../src/plan/hardware/cluster-name.ts';

export interface Row {
  readonly gpu: string;
  readonly curve: string;
  readonly talk: GroupTalk;
  readonly cluster: Cluster;
  readonly seconds: number;
}

/** The cluster a table's machine is, by how it calls the machine; undefined: which network it has is not told. */
const machines: Readonly<Record<string, { readonly node: string; readonly nodes?: string }>> = {
  a100_sxm: { node: '8xa100-80' },
  'A100-80GB DGX': { node: '8xa100-80' },
  'A100 (NVSwitch/NVLink node)': { node: '8xa100-80' },
  'A100 pairwise NVLink (PCIe between pairs)': { node: '4xa100-80-pcie' },
  'H100 pairwise NVLink (PCIe between pairs)': { node: '4xh100-nvl' },
  h100_sxm: { node: '8xh100' },
  'H100 DGX': { node: '8xh100', nodes: '16xh100@infiniband-ndr' },
  h200_sxm: { node: '8xh200' },
  'H200 SXM (8-GPU NVSwitch node)': { node: '8xh200' },
  b200_sxm: { node: '8xb200' },
  'B200 (8-GPU p6-b200.48xlarge)': { node: '8xb200' },
  b300_sxm: { node: '8xb300' },
  gb200: { node: '8xgb200' },
  gb300: { node: '8xgb300' },
  l40s: { node: '8xl40s' },
  rtx_pro_6000_server: { node: '8xrtx-pro-6000' },
  'V100 (NVSwitch/NVLink node)': { node: '8xv100' },
};

const calls: Readonly<Record<string, CollectiveOp>> = {
  all_reduce: 'allReduce',
  all_gather: 'allGather',
  reduce_scatter: 'reduceScatter',
  alltoall: 'allToAll',
  send_recv: 'send',
};

/** The rows of a table that a cluster of the catalogue can be asked, and why others cannot. */
export function readRows(path: string): { readonly rows: Row[]; readonly left: Map<string, number> } {
  const [header, ...lines] = readFileSync(path, 'utf8').trim().split('\n').map(cells);
  const rows: Row[] = [];
  const left = new Map<string, number>();
  for (const line of lines) {
    const row = rowOf(Object.fromEntries(header!.map((name, i) => [name, line[i]!])));
    if (typeof row === 'string') left.set(row, (left.get(row) ?? 0) + 1);
    else rows.push(row);
  }
  return { rows, left };
}

function rowOf(given: Readonly<Record<string, string>>): Row | string {
  const { gpu = '', collective = '' } = given;
  const call = calls[collective];
  if (!call) return 'kernels of experts, not collectives';
  if (gpu.startsWith('H100 pairwise') && call === 'send') return 'the rows of A100 pairs again';
  const machine = machines[gpu];
  if (!machine) return `the catalogue has no ${gpu}`;
  const [ranks, perNode] = [Number(given.num_ranks), Number(given.ranks_per_node)];
  const nodes = ranks / perNode;
  if (nodes > 1 && !machine.nodes) return `the network between nodes of ${gpu} is not told`;
  const cluster = parseCluster(nodes > 1 ? machine.nodes! : machine.node);
  const spread = spreadOf(cluster, perNode, nodes);
  const whole = Number(given.bytes);
  // Tables give the bytes that all ranks have together where they gather.
  const bytes = call === 'allGather' ? whole / ranks : whole;
  const seconds = given.median_us ? Number(given.median_us) / 1e6 : secondsOf(given, whole, ranks);
  const isRing = given.alg!.includes('NVLS_ENABLE=0');
  const asked = isRing
    ? { ...cluster, tiers: cluster.tiers.map((tier) => ({ ...tier, reducesInSwitches: false })) }
    : cluster;
  return {
    gpu,
    curve: `${gpu} ${collective} ${ranks}/${perNode}`,
    talk: { call, bytes, spread },
    cluster: asked,
    seconds,
  };
}

/** Of an all-reduce whose bandwidth alone is told: of a bus that carries all data twice, but for a rank's own part. */
const secondsOf = ({ busbw_gbs }: Readonly<Record<string, string>>, bytes: number, ranks: number): number =>
  (2 * bytes * (ranks - 1)) / ranks / (Number(busbw_gbs) * 1e9);

/** Ranks of a node go to its innermost tier first. */
function spreadOf({ tiers }: Cluster, perNode: number, nodes: number): number[] {
  const within = tiers.slice(0, nodes > 1 ? -1 : undefined);
  let left = perNode;
  const inside = within.map(({ devices }, i) => {
    const ranks = i === within.length - 1 ? left : Math.min(left, devices);
    left /= ranks;
    return ranks;
  });
  return nodes > 1 ? [...inside, nodes] : inside;
}

/** The cells of a line of a CSV file. */
const cells = (line: string): string[] =>
  [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
