// The parts that memory and time of serving are told in.
import type { DeviceCause } from '../plan/deployments/explain.ts';
import type { IterationSeconds, ServingMemory } from '../plan/serving/scenario.ts';

interface Named<K extends string> {
  readonly key: K;
  readonly name: string;
}

export const servingMemoryParts: readonly Named<Exclude<keyof ServingMemory, 'cacheTokens'>>[] = [
  { key: 'weights', name: 'weights' },
  { key: 'buffers', name: 'buffers' },
  { key: 'cache', name: 'keys and values' },
];

export const iterationParts: readonly Named<Exclude<keyof IterationSeconds, 'total' | 'experts'>>[] = [
  { key: 'products', name: 'matrix products' },
  { key: 'attention', name: 'attention' },
  { key: 'other', name: 'small kernels' },
  { key: 'collectives', name: 'talk' },
  { key: 'overhead', name: 'the engine' },
];

export const deviceCauseNames: Readonly<Record<DeviceCause, string>> = {
  prompts: 'reading prompts',
  products: 'matrix products',
  attention: 'attention',
  other: 'small kernels',
  collectives: 'talk',
  overhead: 'the engine',
};
