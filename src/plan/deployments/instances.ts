// The layouts that one instance can have on a cluster.
import type { ModelConfig } from '../../model/config.ts';
import { divisors } from '../../model/fit.ts';
import type { Cluster } from '../hardware/cluster.ts';
import { partOfCluster } from '../hardware/part-of-cluster.ts';
import { type Deployed, deploy } from '../serving/deployed.ts';
import { type Instance, instanceOf } from '../serving/instance.ts';
import type { ServingCosts } from '../serving/iteration.ts';
import { meanLengths } from '../serving/lengths.ts';
import type { Deployment, ServingLayout } from '../serving/scenario.ts';
import type { ServingTask } from './task.ts';

/** All layouts of one instance on so many devices that divide the model: tp its heads, ep its experts, pp its layers. */
export function servingLayouts({ layers, heads, mixture }: ModelConfig, devices: number): ServingLayout[] {
  const layouts: ServingLayout[] = [];
  // Without experts to share, ranks with requests of their own are nothing but more instances.
  for (const pp of divisors(devices).filter((stages) => stages <= layers))
    for (const tp of divisors(devices / pp).filter((ranks) => heads % ranks === 0))
      for (const dp of mixture ? divisors(devices / pp / tp) : [1]) {
        const cp = devices / pp / tp / dp;
        const sharing = mixture ? divisors(tp * dp * cp).filter((ep) => mixture.experts % ep === 0) : [1];
        for (const ep of sharing) layouts.push({ tp, pp, dp, cp, ep });
      }
  return layouts;
}

/** Numbers of devices of an instance: those the cluster is made of without rest, parts of a node or whole ones. */
export const instanceSizes = (cluster: Cluster): number[] =>
  divisors(cluster.devices).filter((size) => partOfCluster(cluster, size) !== undefined);

export type DeployFor = (deployment: Deployment) => Deployed;

/** Deployments of a task: instances of a layout are made once. */
export function deployer(task: ServingTask, costs: ServingCosts): DeployFor {
  const lengths = meanLengths(task.lengths);
  const known = new Map<string, Instance>();
  const instanceFor = (layout: ServingLayout): Instance => {
    const { tp, cp, ep, dp, pp } = layout;
    const key = `${tp},${cp},${ep},${dp},${pp}`;
    const instance = known.get(key) ?? instanceOf(layout, task, lengths, costs);
    known.set(key, instance);
    return instance;
  };
  return (deployment) => deploy({ ...task, deployment, load: { kind: 'saturated' } }, costs, instanceFor);
}
