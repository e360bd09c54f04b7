// What links cost collectives: written by tools/fit-collectives.ts from a table of measurements.
import type { LinkKind } from '../hardware/link.ts';
import type { LinkCost } from './link-cost.ts';

export const collectiveParameters: Readonly<Record<LinkKind, LinkCost>> = {
  'nvlink-2': {
    protocols: [
      {
        startSeconds: 0.0000045,
        perHop: 0.736,
        share: 0.0343,
      },
      {
        startSeconds: 0.0000049,
        perHop: 1.93,
        share: 0.287,
      },
      {
        startSeconds: 0.0000183,
        perHop: 3.93,
        share: 0.911,
      },
    ],
    own: 0.262,
    ownExchanged: 0.4,
    peerSeconds: 1.5e-7,
    sendShare: 0.77,
    source: 'fitted to 44 measured collectives, median error 3.2 %',
    shareOfRanks: [0.167, 0.333, 0.667, 0.333, 0.333, 0.667, 1],
  },
  'nvlink-3': {
    protocols: [
      {
        startSeconds: 0.00000976,
        perHop: 1.14,
        share: 0.256,
      },
      {
        startSeconds: 0.00000828,
        perHop: 0.964,
        share: 0.0281,
      },
      {
        startSeconds: 0.0000267,
        perHop: 3.07,
        share: 0.676,
      },
    ],
    own: 0.315,
    ownExchanged: 0.268,
    peerSeconds: 4.21e-7,
    sendShare: 1,
    source: 'fitted to 223 measured collectives, median error 7.1 %',
  },
  'nvlink-4': {
    protocols: [
      {
        startSeconds: 0.00000653,
        perHop: 0.972,
        share: 0.393,
      },
      {
        startSeconds: 0.00000495,
        perHop: 1.11,
        share: 0.298,
      },
      {
        startSeconds: 0.0000182,
        perHop: 0.997,
        share: 0.734,
      },
    ],
    own: 0.344,
    ownExchanged: 0.186,
    peerSeconds: 2.44e-7,
    sendShare: 0.948,
    source: 'fitted to 285 measured collectives, median error 5.2 %',
    switched: {
      startSeconds: 0.0000766,
      share: 0.679,
    },
  },
  'nvlink-5': {
    protocols: [
      {
        startSeconds: 0.00000776,
        perHop: 1.23,
        share: 0.0225,
      },
      {
        startSeconds: 0.00000839,
        perHop: 1.26,
        share: 0.317,
      },
      {
        startSeconds: 0.0000102,
        perHop: 6.33,
        share: 0.758,
      },
    ],
    own: 0.595,
    ownExchanged: 1.06,
    peerSeconds: 2.88e-7,
    sendShare: 0.77,
    source: 'fitted to 406 measured collectives, median error 4.4 %',
    switched: {
      startSeconds: 0.0000737,
      share: 0.292,
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
    source:
      'AMD, RCCL on eight MI300X: all-reduce of 310 to 330 GB/s of 448 (ROCm documentation, MI300X workload tuning); starts as of NVLink',
    shareOfRanks: [0.143, 0.286, 0.429, 0.571, 0.714, 0.857, 1],
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
    sendShare: 0.77,
    source: 'Austin et al., How to Scale Your Model: a hop of 1 microsecond, and nearly all of the rate',
  },
  pcie: {
    protocols: [
      {
        startSeconds: 0.00000188,
        perHop: 4.27,
        share: 0.349,
      },
      {
        startSeconds: 0.00000428,
        perHop: 1.37,
        share: 0.231,
      },
      {
        startSeconds: 0.00000833,
        perHop: 10,
        share: 0.637,
      },
    ],
    own: 0.0523,
    ownExchanged: 0.01,
    peerSeconds: 0.00000143,
    sendShare: 0.77,
    source: 'fitted to 173 measured collectives, median error 10.5 %',
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
    source:
      'one message: measured between two H100 nodes, 36 of 50 GB/s; collectives: DeepEP between H800 nodes, 43 to 46 of 50 GB/s; starts assumed',
  },
  roce: {
    protocols: [
      {
        startSeconds: 0.000008,
        perHop: 1,
        share: 0.212,
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
    source: 'two threads: 4 microseconds to meet, then the memory of the machine',
  },
};
