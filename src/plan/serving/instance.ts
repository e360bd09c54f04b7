// One instance of a layout: what it costs to iterate, and what it has room for.
import type { ModelConfig } from '../../model/config.ts';
import type { Cluster } from '../hardware/cluster.ts';
import { type EngineName, enginePolicies } from './engines.ts';
import { type Iterate, iterations, type ServingCosts } from './iteration.ts';
import type { TokenCounts } from './lengths.ts';
import { servingMemory } from './memory.ts';
import type { ServingFormats, ServingLayout, ServingMemory } from './scenario.ts';

export interface Instance {
  readonly layout: ServingLayout;
  readonly devices: number;
  readonly iterate: Iterate;
  readonly memory: ServingMemory;
  /** Requests that there is room for. */
  readonly room: number;
}

export interface InstanceSetting {
  readonly model: ModelConfig;
  readonly cluster: Cluster;
  readonly formats: ServingFormats;
  readonly engine: EngineName;
}

export const devicesOf = ({ tp, pp, dp, cp }: ServingLayout): number => tp * pp * dp * cp;

export function instanceOf(
  layout: ServingLayout,
  { model, cluster, formats, engine }: InstanceSetting,
  { inputTokens, outputTokens }: TokenCounts,
  costs: ServingCosts,
): Instance {
  const policy = enginePolicies[engine];
  const requestTokens = inputTokens + outputTokens;
  const memory = servingMemory({
    config: model,
    device: cluster.device,
    layout,
    formats,
    policy,
    requestTokens,
  });
  // Requests that are under way at any time are half done on average.
  const held = policy.reservesAll ? requestTokens : inputTokens + outputTokens / 2;
  return {
    layout,
    devices: devicesOf(layout),
    iterate: iterations({ config: model, cluster, layout, formats, engine, costs }),
    memory,
    room: memory.cacheTokens < requestTokens ? 0 : Math.floor(memory.cacheTokens / held),
  };
}
