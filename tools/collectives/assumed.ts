// Costs of links that the table has no measurements of, with what they rest on, and where fits begin.
import type { LinkCost, Protocol } from '../../src/plan/cost/link-cost.ts';
import type { LinkKind } from '../../src/plan/hardware/link.ts';

const us = 1e-6;

const protocols = (...each: readonly (readonly [start: number, perHop: number, share: number])[]): Protocol[] =>
  each.map(([start, perHop, share]) => ({ startSeconds: start * us, perHop, share }));

/** Where fits begin. */
const nvlink: LinkCost = {
  protocols: protocols([4, 1, 0.05], [6, 1.3, 0.35], [25, 2, 0.8]),
  own: 0.4,
  ownExchanged: 0.4,
  peerSeconds: 0.15 * us,
  sendShare: 0.77,
  exchangeShare: 0.75,
  source: 'not fitted',
};
const switches = { startSeconds: 20 * us, share: 0.67 };

const network = (start: number, share: number, sendShare: number, source: string): LinkCost => ({
  protocols: protocols([start, 1, share / 4], [start * 1.5, 1.2, share * 0.8], [start * 2.5, 2, share]),
  own: 0,
  ownExchanged: 0,
  peerSeconds: 0.5 * us,
  sendShare,
  exchangeShare: share,
  source,
});

export const assumed: Readonly<Record<LinkKind, LinkCost>> = {
  // Rings that the links of a DGX-1 (a hybrid cube mesh) allow so many GPUs, of its six.
  'nvlink-2': { ...nvlink, shareOfRanks: [1 / 6, 2 / 6, 4 / 6, 2 / 6, 2 / 6, 4 / 6, 1] },
  'nvlink-3': nvlink,
  'nvlink-4': { ...nvlink, switched: switches },
  'nvlink-5': { ...nvlink, switched: switches },
  // More than two cards share the ways between switches and sockets.
  pcie: { ...nvlink, protocols: protocols([4, 1, 0.2], [7, 1.3, 0.4], [20, 3, 0.7]), shareOfRanks: [1, 0.7] },
  xgmi: {
    ...nvlink,
    protocols: protocols([8, 1, 0.1], [12, 1.3, 0.4], [25, 3, 0.72]),
    shareOfRanks: [1, 2, 3, 4, 5, 6, 7].map((peers) => peers / 7),
    source:
      'AMD, RCCL on eight MI300X: all-reduce of 310 to 330 GB/s of 448 (ROCm documentation, MI300X workload tuning); starts as of NVLink',
  },
  ici: {
    ...nvlink,
    protocols: protocols([4, 1, 0.9]),
    own: 0,
    ownExchanged: 0,
    sendShare: 0.9,
    // A torus has fewer ways through its middle than a ring uses.
    exchangeShare: 0.25,
    source: 'Austin et al., How to Scale Your Model: a hop of 1 microsecond, and nearly all of the rate',
  },
  infiniband: network(
    8,
    0.9,
    0.72,
    'one message: measured between two H100 nodes, 36 of 50 GB/s; collectives: exchanges of experts between H800 nodes (DeepEP), 43 to 51 of 50 GB/s, what stays in a node counted; starts assumed',
  ),
  roce: network(8, 0.85, 0.68, 'as InfiniBand, less 5 % for congestion control; starts assumed'),
  ethernet: network(30, 0.7, 0.6, 'TCP by sockets: starts and share assumed'),
  'omni-path': network(
    12,
    0.25,
    0.4,
    'NCCL without direct access to GPU memory: one all-reduce of four A100 nodes has 5 GB/s of the 50 of a node (BigScience, experiments/bandwidth); rings of all GPUs of a node side by side have more, set by hand to its steps with 2 to 24 replicas and 2 to 48 stages; starts assumed',
  ),
  'shared-memory': {
    ...nvlink,
    protocols: protocols([4, 1, 0.9]),
    own: 0,
    ownExchanged: 0,
    peerSeconds: 0,
    sendShare: 0.9,
    exchangeShare: 0.9,
    source: 'two threads: 4 microseconds to meet, then the memory of the machine',
  },
};
