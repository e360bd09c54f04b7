// What links cost collectives: written by tools/fit-collectives.ts from a table of measurements.
import type { LinkKind } from '../hardware/link.ts';
import type { LinkCost } from './link-cost.ts';

export const collectiveParameters: Readonly<Record<LinkKind, LinkCost>> = {
  'nvlink-2': {
    protocols: [
      {
        startSeconds: 0.00000196,
        perHop: 1,
        share: 0.2,
      },
      {
        startSeconds: 0.0000189,
        perHop: 2.6,
        share: 0.551,
      },
      {
        startSeconds: 1.05e-7,
        perHop: 8.6,
        share: 1,
      },
    ],
    own: 0.4,
    ownExchanged: 0.4,
    peerSeconds: 1.5e-7,
    sendShare: 0.77,
    source: 'fitted to 55 measured collectives, median error 15.4 %',
    meshPeers: 7,
  },
  'nvlink-3': {
    protocols: [
      {
        startSeconds: 0.00000791,
        perHop: 1.04,
        share: 0.0226,
      },
      {
        startSeconds: 0.0000128,
        perHop: 1.02,
        share: 0.355,
      },
      {
        startSeconds: 0.0000232,
        perHop: 6.89,
        share: 0.734,
      },
    ],
    own: 0.491,
    ownExchanged: 0.4,
    peerSeconds: 1.5e-7,
    sendShare: 1,
    source: 'fitted to 243 measured collectives, median error 7.8 %',
  },
  'nvlink-4': {
    protocols: [
      {
        startSeconds: 0.00000465,
        perHop: 1.32,
        share: 0.194,
      },
      {
        startSeconds: 0.00000605,
        perHop: 1.15,
        share: 0.365,
      },
      {
        startSeconds: 0.0000185,
        perHop: 0.882,
        share: 0.726,
      },
    ],
    own: 0.329,
    ownExchanged: 0.625,
    peerSeconds: 3.98e-7,
    sendShare: 0.77,
    source: 'fitted to 305 measured collectives, median error 6.2 %',
    switched: {
      startSeconds: 0.0000746,
      share: 0.67,
    },
  },
  'nvlink-5': {
    protocols: [
      {
        startSeconds: 0.00000756,
        perHop: 1.26,
        share: 0.0293,
      },
      {
        startSeconds: 0.00000869,
        perHop: 1.23,
        share: 0.339,
      },
      {
        startSeconds: 0.0000127,
        perHop: 6.16,
        share: 0.76,
      },
    ],
    own: 0.533,
    ownExchanged: 0.996,
    peerSeconds: 4.6e-7,
    sendShare: 0.77,
    source: 'fitted to 344 measured collectives, median error 4.3 %',
    switched: {
      startSeconds: 0.0000381,
      share: 0.328,
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
    meshPeers: 7,
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
        startSeconds: 0.00000358,
        perHop: 1.79,
        share: 0.322,
      },
      {
        startSeconds: 0.00000517,
        perHop: 1.23,
        share: 0.126,
      },
      {
        startSeconds: 4.09e-9,
        perHop: 11.5,
        share: 0.597,
      },
    ],
    own: 0.263,
    ownExchanged: 0.00000728,
    peerSeconds: 0.00000341,
    sendShare: 0.77,
    source: 'fitted to 100 measured collectives, median error 9.7 %',
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
