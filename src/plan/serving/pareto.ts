// The throughput-latency front of a model on a number of devices: over layouts and requests under way.
import type { ModelConfig } from '../../model/config.ts';
import { deploy } from './deployed.ts';
import type { InstanceSetting } from './instance.ts';
import type { ServingCosts } from './iteration.ts';
import type { Deployment, RequestLengths, ServingLayout, ServingPrediction, Speculation } from './scenario.ts';
import { steadyServing } from './steady-serving.ts';

export interface FrontSetting extends InstanceSetting {
  readonly lengths: RequestLengths;
  readonly speculation?: Speculation;
  /** Instances and layouts are such that they fill these, as far as they go. */
  readonly devices: number;
}

export interface FrontPoint {
  readonly deployment: Deployment;
  readonly concurrency: number;
  readonly prediction: ServingPrediction;
}

const divisors = (of: number): number[] => Array.from({ length: of }, (_, i) => i + 1).filter((n) => of % n === 0);

/** All layouts of one instance on so many devices that divide the model: tp its heads, ep its experts, pp its layers. */
export function servingLayouts(model: ModelConfig, devices: number): ServingLayout[] {
  const layouts: ServingLayout[] = [];
  for (const pp of divisors(devices).filter((stages) => stages <= model.layers))
    for (const tp of divisors(devices / pp).filter((ranks) => model.heads % ranks === 0))
      for (const dp of divisors(devices / pp / tp)) {
        const cp = devices / pp / tp / dp;
        const sharing = divisors(tp * dp * cp).filter((ep) => model.mixture && model.mixture.experts % ep === 0);
        for (const ep of model.mixture ? sharing : [1]) layouts.push({ tp, pp, dp, cp, ep });
      }
  // Without experts to share, ranks with requests of their own are nothing but more instances.
  return layouts.filter(({ dp }) => dp === 1 || model.mixture);
}

/** Instances that read and write, of every size that divides the devices and every layout of it. */
const aggregatedDeployments = (model: ModelConfig, devices: number): Deployment[] =>
  divisors(devices).flatMap((size) =>
    servingLayouts(model, size).map((layout) => ({
      kind: 'aggregated',
      pool: { layout, instances: devices / size },
    })),
  );

/** Requests under way that are tried: doubled from one a instance to all that are written at once. */
function loads(instances: number, most: number): number[] {
  const tried: number[] = [];
  for (let each = instances; each < most; each *= 2) tried.push(each);
  return [...tried, most];
}

/**
 * Deployments and loads that nothing else beats in both output tokens a second and device and output tokens a second of one request, the
 * fastest for one request first. `deployments`: those that are tried; undefined: all aggregated ones.
 */
export function servingFront(
  setting: FrontSetting,
  costs: ServingCosts,
  deployments: readonly Deployment[] = aggregatedDeployments(setting.model, setting.devices),
): FrontPoint[] {
  const points = deployments.flatMap((deployment): FrontPoint[] => {
    const deployed = deploy({ ...setting, deployment, load: { kind: 'saturated' } }, costs);
    if (deployed.writers.instance.room === 0 || deployed.readers?.instance.room === 0) return [];
    return loads(deployed.writers.instances, deployed.mostWritten).map((concurrency) => ({
      deployment,
      concurrency,
      prediction: steadyServing(deployed, concurrency),
    }));
  });
  return unbeaten(points);
}

function unbeaten(points: readonly FrontPoint[]): FrontPoint[] {
  const sorted = [...points].sort(
    (a, b) =>
      a.prediction.secondsPerOutputToken.mean - b.prediction.secondsPerOutputToken.mean ||
      b.prediction.outputTokensPerSecondPerDevice - a.prediction.outputTokensPerSecondPerDevice,
  );
  let best = 0;
  return sorted.filter(({ prediction }) => {
    const beats = prediction.outputTokensPerSecondPerDevice > best;
    if (beats) best = prediction.outputTokensPerSecondPerDevice;
    return beats;
  });
}
