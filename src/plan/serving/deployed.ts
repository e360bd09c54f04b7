// A scenario's instances, as the ways to find its seconds need them.
import { groupSpread } from '../hardware/group-spread.ts';
import { enginePolicies } from './engines.ts';
import { type Instance, instanceOf } from './instance.ts';
import type { ServingCosts } from './iteration.ts';
import { meanLengths, type TokenCounts } from './lengths.ts';
import { cacheBytes } from './memory.ts';
import type { ServingLayout, ServingScenario } from './scenario.ts';
import type { SteadySetting } from './steady-state.ts';

/** Instances that prompts go to, and so many of them. */
export interface DeployedPool {
  readonly instance: Instance;
  readonly instances: number;
}

export interface Deployed {
  /** Instances that write; they also read, unless others do. */
  readonly writers: DeployedPool;
  readonly readers?: DeployedPool;
  readonly devices: number;
  readonly lengths: TokenCounts;
  /** Of one instance that writes. */
  readonly steady: SteadySetting;
  /** From an instance that reads to one that writes, of a whole prompt; 0 where they are one. */
  readonly transferSeconds: number;
  /** Requests that are written at once at most, over all instances. */
  readonly mostWritten: number;
}

/** Of a layout, for the model, the load and the engine that it is asked for. */
export type InstanceFor = (layout: ServingLayout) => Instance;

/** `instanceFor`: what a search has made already. */
export function deploy(
  scenario: ServingScenario,
  costs: ServingCosts,
  instanceFor: InstanceFor = (layout) => instanceOf(layout, scenario, meanLengths(scenario.lengths), costs),
): Deployed {
  const { deployment, engine, model, speculation } = scenario;
  const lengths = meanLengths(scenario.lengths);
  const pools = deployment.kind === 'aggregated' ? [deployment.pool] : [deployment.prefill, deployment.decode];
  const deployed = pools.map(
    ({ layout, instances }): DeployedPool => ({
      instance: instanceFor(layout),
      instances,
    }),
  );
  const writers = deployed.at(-1)!;
  const readers = deployed.length > 1 ? deployed[0]! : undefined;
  const { instance, instances } = writers;
  const policy = enginePolicies[engine];
  const { answerSeconds, promptTokenSeconds } = costs.engineTimes[engine];
  return {
    writers,
    ...(readers && { readers }),
    devices: deployed.reduce((sum, pool) => sum + pool.instances * pool.instance.devices, 0),
    lengths,
    steady: {
      iterate: instance.iterate,
      policy,
      ranks: instance.layout.dp,
      layers: model.layers,
      lengths,
      speculation,
      room: instance.room,
      answerSeconds: answerSeconds + promptTokenSeconds * lengths.inputTokens,
    },
    transferSeconds: readers ? transferSeconds(readers.instance, instance, lengths, scenario, costs) : 0,
    mostWritten: Math.min(instance.room, policy.maxRunning * instance.layout.dp) * instances,
  };
}

/** Keys and values of a prompt, every device of the instance that reads sending its own to one of the instance that writes. */
function transferSeconds(
  reader: Instance,
  writer: Instance,
  { inputTokens }: TokenCounts,
  { model, cluster, formats }: ServingScenario,
  { talkSeconds }: ServingCosts,
): number {
  const bytes = cacheBytes(model, reader.layout, formats, inputTokens);
  const apart = { tp: Math.max(reader.devices, writer.devices), cp: 1, ep: 1, dp: 1, pp: 2 };
  const spread = groupSpread(apart, 'pp', cluster);
  return talkSeconds({ call: 'send', bytes, spread }, cluster);
}
