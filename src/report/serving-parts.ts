// The parts that memory and time of serving are told in.
import type { DeviceCause } from '../plan/deployments/explain.ts';
import type { IterationSeconds, ServingMemory } from '../plan/serving/scenario.ts';
import type { Part } from './parts.ts';

export const servingMemoryParts: readonly Part<Exclude<keyof ServingMemory, 'cacheTokens'>>[] = [
  { key: 'weights', name: 'weights', colour: 'blue' },
  { key: 'buffers', name: 'buffers', colour: 'grey' },
  { key: 'cache', name: 'keys and values', colour: 'green' },
];

export const iterationParts: readonly Part<Exclude<keyof IterationSeconds, 'total' | 'experts'>>[] = [
  { key: 'products', name: 'matrix products', colour: 'blue' },
  { key: 'attention', name: 'attention', colour: 'green' },
  { key: 'other', name: 'small kernels', colour: 'yellow' },
  { key: 'collectives', name: 'talk', colour: 'orange' },
  { key: 'overhead', name: 'the engine', colour: 'grey' },
];

export const deviceCauseNames: Readonly<Record<DeviceCause, string>> = {
  prompts: 'reading prompts',
  products: 'matrix products',
  attention: 'attention',
  other: 'small kernels',
  collectives: 'talk',
  overhead: 'the engine',
};
