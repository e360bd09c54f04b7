// A deployment as the rules of thumb of serving look at it, with how others would do under the same targets.
import { deployer } from '../deployments/instances.ts';
import { loadOf } from '../deployments/loads.ts';
import type { ServingTask } from '../deployments/task.ts';
import { devicesOf } from '../serving/instance.ts';
import type { ServingCosts } from '../serving/iteration.ts';
import type { Deployment } from '../serving/scenario.ts';
import type { ServingCase } from './serving-rules.ts';

export function servingCaseOf(task: ServingTask, deployment: Deployment, costs: ServingCosts): ServingCase {
  const deployFor = deployer(task, costs);
  const rateOf = (tried: Deployment): number | undefined => {
    const deployed = deployFor(tried);
    if (deployed.writers.instance.room === 0 || deployed.readers?.instance.room === 0) return undefined;
    return loadOf(task, 'throughput', tried, deployed).best?.prediction.outputTokensPerSecondPerDevice;
  };
  return {
    ...task,
    deployment,
    rateOf(layout) {
      const instances = Math.floor(task.cluster.devices / devicesOf(layout));
      return instances === 0 ? undefined : rateOf({ kind: 'aggregated', pool: { layout, instances } });
    },
    ownRate: () => rateOf(deployment),
  };
}
