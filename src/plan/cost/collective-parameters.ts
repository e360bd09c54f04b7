// What links cost collectives: written by tools/fit-collectives.ts from a table of measurements.
import type { LinkKind } from '../hardware/link.ts';
import type { LinkCost } from './link-cost.ts';

export const collectiveParameters: Readonly<Record<LinkKind, LinkCost>> = {
  'nvlink-2': {
    protocols: [
      {
        startSeconds: 0.000006905,
        perHop: 1.975,
        share: 0.03448,
      },
      {
        startSeconds: 0.00002133,
        perHop: 2.153,
        share: 0.5536,
      },
      {
        startSeconds: 0.00001467,
        perHop: 4.603,
        share: 0.9081,
      },
    ],
    own: 0.2927,
    ownExchanged: 0.4,
    peerSeconds: 1.5e-7,
    sendShare: 0.77,
    exchangeShare: 0.75,
    source: 'fitted to 44 measured collectives, median error 2.5 %',
    shareOfRanks: [0.1667, 0.3333, 0.6667, 0.3333, 0.3333, 0.6667, 1],
  },
  'nvlink-3': {
    protocols: [
      {
        startSeconds: 0.000008498,
        perHop: 1.926,
        share: 0.2477,
      },
      {
        startSeconds: 0.00001211,
        perHop: 0.5108,
        share: 0.2818,
      },
      {
        startSeconds: 0.00002578,
        perHop: 4.352,
        share: 0.7086,
      },
    ],
    own: 0.3665,
    ownExchanged: 0.2644,
    peerSeconds: 4.978e-7,
    sendShare: 1,
    exchangeShare: 0.6843,
    source: 'fitted to 223 measured collectives, median error 7.6 %',
  },
  'nvlink-4': {
    protocols: [
      {
        startSeconds: 0.000006535,
        perHop: 0.9867,
        share: 0.3995,
      },
      {
        startSeconds: 0.000004937,
        perHop: 1.119,
        share: 0.3026,
      },
      {
        startSeconds: 0.00002005,
        perHop: 0.9473,
        share: 0.7664,
      },
    ],
    own: 0.3812,
    ownExchanged: 0.1403,
    peerSeconds: 2.465e-7,
    sendShare: 0.9434,
    exchangeShare: 0.7185,
    source: 'fitted to 285 measured collectives, median error 4.7 %',
    switched: {
      startSeconds: 0.00007829,
      share: 0.6794,
    },
  },
  'nvlink-5': {
    protocols: [
      {
        startSeconds: 0.0000078,
        perHop: 1.765,
        share: 0.02238,
      },
      {
        startSeconds: 0.000008187,
        perHop: 1.242,
        share: 0.3043,
      },
      {
        startSeconds: 0.00001014,
        perHop: 6.549,
        share: 0.7581,
      },
    ],
    own: 0.5817,
    ownExchanged: 0.8494,
    peerSeconds: 1.588e-7,
    sendShare: 0.77,
    exchangeShare: 0.6919,
    source: 'fitted to 406 measured collectives, median error 4.3 %',
    switched: {
      startSeconds: 0.00009406,
      share: 0.569,
    },
  },
  xgmi: {
    protocols: [
      {
        startSeconds: 0.000008,
        perHop: 1,
        share: 0.1,
      },
      {
        startSeconds: 0.000012,
        perHop: 1.3,
        share: 0.4,
      },
      {
        startSeconds: 0.000025,
        perHop: 3,
        share: 0.72,
      },
    ],
    own: 0.4,
    ownExchanged: 0.4,
    peerSeconds: 1.5e-7,
    sendShare: 0.77,
    exchangeShare: 0.75,
    source:
      'AMD, RCCL on eight MI300X: all-reduce of 310 to 330 GB/s of 448 (ROCm documentation, MI300X workload tuning); starts as of NVLink',
    shareOfRanks: [0.1429, 0.2857, 0.4286, 0.5714, 0.7143, 0.8571, 1],
  },
  ici: {
    protocols: [
      {
        startSeconds: 0.000004,
        perHop: 1,
        share: 0.9,
      },
    ],
    own: 0,
    ownExchanged: 0,
    peerSeconds: 1.5e-7,
    sendShare: 0.9,
    exchangeShare: 0.25,
    source: 'Austin et al., How to Scale Your Model: a hop of 1 microsecond, and nearly all of the rate',
  },
  pcie: {
    protocols: [
      {
        startSeconds: 0.000008021,
        perHop: 0.7226,
        share: 0.4224,
      },
      {
        startSeconds: 0.000004415,
        perHop: 1.408,
        share: 0.3822,
      },
      {
        startSeconds: 0.00001797,
        perHop: 0.9445,
        share: 0.7312,
      },
    ],
    own: 0.1935,
    ownExchanged: 0.02376,
    peerSeconds: 9.835e-8,
    sendShare: 0.77,
    exchangeShare: 0.7135,
    source: 'fitted to 173 measured collectives, median error 3.1 %',
    shareOfRanks: [1, 0.5476],
  },
  infiniband: {
    protocols: [
      {
        startSeconds: 0.000008,
        perHop: 1,
        share: 0.225,
      },
      {
        startSeconds: 0.000012,
        perHop: 1.2,
        share: 0.72,
      },
      {
        startSeconds: 0.00002,
        perHop: 2,
        share: 0.9,
      },
    ],
    own: 0,
    ownExchanged: 0,
    peerSeconds: 5e-7,
    sendShare: 0.72,
    exchangeShare: 0.9,
    source:
      'one message: measured between two H100 nodes, 36 of 50 GB/s; collectives: exchanges of experts between H800 nodes (DeepEP), 43 to 51 of 50 GB/s, what stays in a node counted; starts assumed',
  },
  roce: {
    protocols: [
      {
        startSeconds: 0.000008,
        perHop: 1,
        share: 0.2125,
      },
      {
        startSeconds: 0.000012,
        perHop: 1.2,
        share: 0.68,
      },
      {
        startSeconds: 0.00002,
        perHop: 2,
        share: 0.85,
      },
    ],
    own: 0,
    ownExchanged: 0,
    peerSeconds: 5e-7,
    sendShare: 0.68,
    exchangeShare: 0.85,
    source: 'as InfiniBand, less 5 % for congestion control; starts assumed',
  },
  ethernet: {
    protocols: [
      {
        startSeconds: 0.00003,
        perHop: 1,
        share: 0.175,
      },
      {
        startSeconds: 0.000045,
        perHop: 1.2,
        share: 0.56,
      },
      {
        startSeconds: 0.000075,
        perHop: 2,
        share: 0.7,
      },
    ],
    own: 0,
    ownExchanged: 0,
    peerSeconds: 5e-7,
    sendShare: 0.6,
    exchangeShare: 0.7,
    source: 'TCP by sockets: starts and share assumed',
  },
  'omni-path': {
    protocols: [
      {
        startSeconds: 0.000012,
        perHop: 1,
        share: 0.2,
      },
      {
        startSeconds: 0.000018,
        perHop: 1.2,
        share: 0.64,
      },
      {
        startSeconds: 0.00003,
        perHop: 2,
        share: 0.8,
      },
    ],
    own: 0,
    ownExchanged: 0,
    peerSeconds: 5e-7,
    sendShare: 0.7,
    exchangeShare: 0.8,
    source: 'no direct access to GPU memory: starts and share assumed',
  },
  'shared-memory': {
    protocols: [
      {
        startSeconds: 0.000004,
        perHop: 1,
        share: 0.9,
      },
    ],
    own: 0,
    ownExchanged: 0,
    peerSeconds: 0,
    sendShare: 0.9,
    exchangeShare: 0.9,
    source: 'two threads: 4 microseconds to meet, then the memory of the machine',
  },
};
