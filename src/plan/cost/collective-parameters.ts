// What links cost collectives: written by tools/fit-collectives.ts from a table of measurements.
import type { LinkKind } from '../hardware/link.ts';
import type { LinkCost } from './link-cost.ts';

export const collectiveParameters: Readonly<Record<LinkKind, LinkCost>> = {
  'nvlink-2': {
    protocols: [
      {
        startSeconds: 0.000004046,
        perHop: 0.7842,
        share: 0.02959,
      },
      {
        startSeconds: 0.000005304,
        perHop: 2.009,
        share: 0.2993,
      },
      {
        startSeconds: 0.00001787,
        perHop: 3.907,
        share: 0.9073,
      },
    ],
    own: 0.2624,
    ownExchanged: 0.4,
    peerSeconds: 1.5e-7,
    messageShare: 0.77,
    source: 'fitted to 44 measured collectives, median error 3.2 %',
    shareOfRanks: [0.1667, 0.3333, 0.6667, 0.3333, 0.3333, 0.6667, 1],
  },
  'nvlink-3': {
    protocols: [
      {
        startSeconds: 0.000008059,
        perHop: 2.493,
        share: 0.2715,
      },
      {
        startSeconds: 0.00001096,
        perHop: 0.7053,
        share: 0.2889,
      },
      {
        startSeconds: 0.00003246,
        perHop: 3.397,
        share: 0.7083,
      },
    ],
    own: 0.3232,
    ownExchanged: 0.3541,
    peerSeconds: 5.782e-7,
    messageShare: 0.7424,
    source: 'fitted to 223 measured collectives, median error 7.8 %',
  },
  'nvlink-4': {
    protocols: [
      {
        startSeconds: 0.000005534,
        perHop: 1.468,
        share: 0.09822,
      },
      {
        startSeconds: 0.000005052,
        perHop: 1.096,
        share: 0.3409,
      },
      {
        startSeconds: 0.00001283,
        perHop: 1.747,
        share: 0.7464,
      },
    ],
    own: 0.3976,
    ownExchanged: 0.2684,
    peerSeconds: 1.519e-7,
    messageShare: 0.76,
    source: 'fitted to 285 measured collectives, median error 5.5 %',
    switched: {
      startSeconds: 0.00007634,
      share: 0.6785,
    },
  },
  'nvlink-5': {
    protocols: [
      {
        startSeconds: 0.00000771,
        perHop: 1.861,
        share: 0.02235,
      },
      {
        startSeconds: 0.000008169,
        perHop: 1.244,
        share: 0.3018,
      },
      {
        startSeconds: 0.0000104,
        perHop: 6.317,
        share: 0.7554,
      },
    ],
    own: 0.575,
    ownExchanged: 0.8463,
    peerSeconds: 1.563e-7,
    messageShare: 0.6913,
    source: 'fitted to 406 measured collectives, median error 4.3 %',
    switched: {
      startSeconds: 0.00009414,
      share: 0.5692,
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
    messageShare: 0.77,
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
    messageShare: 0.77,
    source: 'Austin et al., How to Scale Your Model: a hop of 1 microsecond, and nearly all of the rate',
  },
  pcie: {
    protocols: [
      {
        startSeconds: 0.000007291,
        perHop: 0.8382,
        share: 0.2451,
      },
      {
        startSeconds: 0.000004776,
        perHop: 1.249,
        share: 0.3944,
      },
      {
        startSeconds: 0.00001641,
        perHop: 1.285,
        share: 0.7322,
      },
    ],
    own: 0.1994,
    ownExchanged: 0.01334,
    peerSeconds: 4.595e-8,
    messageShare: 0.7068,
    source: 'fitted to 173 measured collectives, median error 3.4 %',
    shareOfRanks: [1, 0.5477],
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
    messageShare: 0.72,
    source:
      'one message: measured between two H100 nodes, 36 of 50 GB/s; collectives: DeepEP between H800 nodes, 43 to 46 of 50 GB/s; starts assumed',
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
    messageShare: 0.68,
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
    messageShare: 0.6,
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
    messageShare: 0.7,
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
    messageShare: 0.9,
    source: 'two threads: 4 microseconds to meet, then the memory of the machine',
  },
};
