// What links cost collectives: written by tools/fit-collectives.ts from a table of measurements.
import type { LinkKind } from '../hardware/link.ts';
import type { LinkCost } from './link-cost.ts';

export const collectiveParameters: Readonly<Record<LinkKind, LinkCost>> = {
  'nvlink-2': {
    protocols: [
      {
        startSeconds: 0.00000405,
        perHop: 0.784,
        share: 0.0296,
      },
      {
        startSeconds: 0.0000053,
        perHop: 2.01,
        share: 0.299,
      },
      {
        startSeconds: 0.0000179,
        perHop: 3.91,
        share: 0.907,
      },
    ],
    own: 0.262,
    ownExchanged: 0.4,
    peerSeconds: 1.5e-7,
    messageShare: 0.77,
    source: 'fitted to 44 measured collectives, median error 3.2 %',
    shareOfRanks: [0.167, 0.333, 0.667, 0.333, 0.333, 0.667, 1],
  },
  'nvlink-3': {
    protocols: [
      {
        startSeconds: 0.00000806,
        perHop: 2.49,
        share: 0.272,
      },
      {
        startSeconds: 0.000011,
        perHop: 0.705,
        share: 0.289,
      },
      {
        startSeconds: 0.0000325,
        perHop: 3.4,
        share: 0.708,
      },
    ],
    own: 0.323,
    ownExchanged: 0.354,
    peerSeconds: 5.78e-7,
    messageShare: 0.742,
    source: 'fitted to 223 measured collectives, median error 7.8 %',
  },
  'nvlink-4': {
    protocols: [
      {
        startSeconds: 0.00000553,
        perHop: 1.47,
        share: 0.0982,
      },
      {
        startSeconds: 0.00000505,
        perHop: 1.1,
        share: 0.341,
      },
      {
        startSeconds: 0.0000128,
        perHop: 1.75,
        share: 0.746,
      },
    ],
    own: 0.398,
    ownExchanged: 0.268,
    peerSeconds: 1.52e-7,
    messageShare: 0.76,
    source: 'fitted to 285 measured collectives, median error 5.5 %',
    switched: {
      startSeconds: 0.0000763,
      share: 0.678,
    },
  },
  'nvlink-5': {
    protocols: [
      {
        startSeconds: 0.00000771,
        perHop: 1.86,
        share: 0.0224,
      },
      {
        startSeconds: 0.00000817,
        perHop: 1.24,
        share: 0.302,
      },
      {
        startSeconds: 0.0000104,
        perHop: 6.32,
        share: 0.755,
      },
    ],
    own: 0.575,
    ownExchanged: 0.846,
    peerSeconds: 1.56e-7,
    messageShare: 0.691,
    source: 'fitted to 406 measured collectives, median error 4.3 %',
    switched: {
      startSeconds: 0.0000941,
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
    messageShare: 0.77,
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
    messageShare: 0.77,
    source: 'Austin et al., How to Scale Your Model: a hop of 1 microsecond, and nearly all of the rate',
  },
  pcie: {
    protocols: [
      {
        startSeconds: 0.0000042,
        perHop: 3.7,
        share: 0.26,
      },
      {
        startSeconds: 0.0000043,
        perHop: 1.47,
        share: 0.305,
      },
      {
        startSeconds: 0.00000879,
        perHop: 10,
        share: 0.632,
      },
    ],
    own: 0.0459,
    ownExchanged: 0.01,
    peerSeconds: 2.77e-7,
    messageShare: 0.629,
    source: 'fitted to 173 measured collectives, median error 11.6 %',
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
