// Why a search for deployments found none, and what would be found: the model has no room, or the targets are too short.
import { memory, option } from '../errors.ts';
import { printDeployment } from '../plan/deployments/deployment-text.ts';
import { instanceSizes, servingLayouts } from '../plan/deployments/instances.ts';
import type { Loaded, ServingTask } from '../plan/deployments/task.ts';
import { formatBytes } from '../plan/hardware/number-format.ts';
import { enginePolicies } from '../plan/serving/engines.ts';
import { meanLengths } from '../plan/serving/lengths.ts';
import { servingMemory } from '../plan/serving/memory.ts';
import type { ServingMemory } from '../plan/serving/scenario.ts';
import { refuse } from '../train/refuse.ts';
import { formatSeconds } from '../units.ts';
import { rateText } from './serving-prediction.ts';

/** `points`: what was looked at. @throws OPTION_INVALID in any case */
export function refuseNoDeployment(task: ServingTask, points: readonly Loaded[]): never {
  if (points.length === 0) refuseNoRoom(task);
  const { targets } = task;
  const missed = ({ prediction }: Loaded): number =>
    Math.max(
      prediction.secondsToFirstToken.mean / targets.secondsToFirstToken,
      prediction.secondsPerOutputToken.mean / targets.secondsPerOutputToken,
    );
  const nearest = points.reduce((best, each) => (missed(each) < missed(best) ? each : best));
  const { secondsToFirstToken: first, secondsPerOutputToken: token } = nearest.prediction;
  const isFirst = first.mean > targets.secondsToFirstToken;
  const isToken = token.mean > targets.secondsPerOutputToken;
  const fixes = [
    ...(isFirst ? [`${option('ttft')} ${roundedUp(first.mean)}`] : []),
    ...(isToken ? [`${option('tpot')} ${roundedUp(token.mean)}`] : []),
  ];
  return refuse(
    isToken ? 'tpot' : 'ttft',
    `nothing on ${task.cluster.name} keeps the targets: the nearest, ${printDeployment(nearest.deployment)} with ${nearest.concurrency} requests under way, takes ${formatSeconds(first.mean)} for the first token and ${formatSeconds(token.mean)} for each other`,
    `use ${fixes.join(' and ')}, shorter prompts, faster devices, or narrower weights (${option('products')})`,
  );
}

/** With two digits, no shorter. */
function roundedUp(seconds: number): string {
  const milliseconds = seconds * 1000;
  const step = 10 ** (Math.floor(Math.log10(milliseconds)) - 1);
  return `${Number((Math.ceil(milliseconds / step) * step).toPrecision(2))}ms`;
}

function refuseNoRoom(task: ServingTask): never {
  const { cluster, formats, engine } = task;
  const usable = cluster.device.memoryBytes * enginePolicies[engine].memoryShare;
  const { weights, buffers } = leastHeld(task);
  const narrower = (['fp8', 'int4'] as const).find((format) => {
    const held = leastHeld({ ...task, formats: { ...formats, weights: format } });
    return formatBytes[format] < formatBytes[formats.weights] && held.weights + held.buffers < usable;
  });
  // Weights are shared out, buffers are not; some room is for keys and values.
  const devices = buffers < usable ? Math.ceil((1.1 * cluster.devices * weights) / (usable - buffers)) : undefined;
  const fixes = [
    ...(narrower ? [`${option('products')} ${narrower}`] : []),
    ...(devices === undefined || devices <= cluster.devices ? [] : [`about ${devices} devices`]),
    'devices with more memory',
  ];
  return refuse(
    'cluster',
    `the model does not fit on ${cluster.name}: spread over all of it a device needs ${memory(weights)} for weights in ${formats.weights} and ${memory(buffers)} for buffers, and has ${memory(usable)} for these and a request's keys and values`,
    `use ${fixes.join(', or ')}`,
  );
}

/** Of a device, in the layout that has most room. */
function leastHeld({ model: config, cluster, formats, engine, lengths }: ServingTask): ServingMemory {
  const { device } = cluster;
  const { inputTokens, outputTokens } = meanLengths(lengths);
  const requestTokens = inputTokens + outputTokens;
  return instanceSizes(cluster)
    .flatMap((size) => servingLayouts(config, size))
    .map((layout) => servingMemory({ config, device, layout, formats, policy: enginePolicies[engine], requestTokens }))
    .reduce((best, each) => (each.weights + each.buffers < best.weights + best.buffers ? each : best));
}

/** `best`: what all devices do. @throws OPTION_INVALID in any case */
export function refuseRate({ cluster }: ServingTask, rate: number, best: Loaded): never {
  const { requestsPerSecond, devices } = best.prediction;
  return refuse(
    'rate',
    `${cluster.name} is too small for ${rate} requests a second: ${printDeployment(best.deployment)} answers ${rateText(requestsPerSecond)} within the targets`,
    `use ${option('rate')} ${rateText(0.9 * requestsPerSecond)}, or about ${Math.ceil((1.1 * rate * devices) / requestsPerSecond)} devices`,
  );
}
