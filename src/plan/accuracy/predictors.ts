// What is judged: the predictions of this planner, on its own catalogue of devices.
import { fail } from '../../errors.ts';
import type { Cluster } from '../hardware/cluster.ts';
import type { Predictors } from './judge.ts';
import type { RowCluster } from './row-cluster.ts';
import { trivialTraining } from './trivial.ts';

const peaks: Readonly<Record<string, number>> = {
  'a100-80': 312e12,
  'a100-40': 312e12,
  a800: 312e12,
  'h100-sxm': 989e12,
  'h100-96gb': 800e12,
  h800: 989e12,
  h200: 989e12,
  b200: 2250e12,
  b300: 2500e12,
  'gb200-nvl72': 2500e12,
  'gb300-nvl72': 2500e12,
  v100: 125e12,
};

function clusterOf({ device, devices }: RowCluster): Cluster {
  const peak = peaks[device];
  if (peak === undefined) fail('CONFIG_INVALID', { path: device, problem: 'not known', fix: 'none' });
  return {
    name: `${devices}x${device}`,
    devices,
    tiers: [],
    device: {
      name: device,
      title: device,
      architecture: 'hopper',
      memoryBytes: 80e9,
      memoryBytesPerSecond: 3e12,
      flopsPerSecond: { bf16: peak },
      multiprocessors: 100,
      cacheBytes: 1,
      watts: 1,
      hostBytesPerSecond: 1,
      source: '',
    },
  };
}

export const predictors: Predictors = {
  training: trivialTraining,
  serving: () => fail('CONFIG_INVALID', { path: 'serving', problem: 'not yet', fix: 'wait' }),
  clusterOf,
};
