// The fewest devices that serve so many requests a second within the targets.
import { createHeap } from '../search/heap.ts';
import type { ServingCosts } from '../serving/iteration.ts';
import type { Deployment, Pool } from '../serving/scenario.ts';
import { deployedDevices } from './deployment-text.ts';
import { type Half, halvesOf, mostWriting, unbeatenReaders } from './halves.ts';
import { deployer, instanceSizes, servingLayouts } from './instances.ts';
import { loadOf } from './loads.ts';
import { keptShareOf, playRate } from './play-rate.ts';
import { layoutsBetweenStops, type SearchingDeployments } from './search.ts';
import type { Loaded, ServingTask } from './task.ts';

/** Of the requests that come at random, so many keep both targets. */
export const keptShare = 0.9;

/**
 * Deployments by the devices they take, the fewest first, then by the time of a token: requests are played as they come at
 * random (Poisson), and nine in ten keep both targets. Instances are added one by one where arithmetic on means says that they might do; empty
 * where the whole cluster is not enough.
 */
export function* fewestDevices(
  task: ServingTask,
  costs: ServingCosts,
  { requestsPerSecond, top }: { readonly requestsPerSecond: number; readonly top: number },
): Generator<SearchingDeployments, Loaded[], void> {
  const { cluster, model } = task;
  const deployFor = deployer(task, costs);
  const layouts = instanceSizes(cluster).flatMap((size) => servingLayouts(model, size));
  const open = createHeap<Deployment>(deployedDevices);
  const push = (deployment: Deployment): void => {
    if (deployedDevices(deployment) <= cluster.devices) open.push(deployment);
  };
  const readers: Half[] = [];
  const writers: Half[] = [];
  for (const [looked, layout] of layouts.entries()) {
    if (looked % layoutsBetweenStops === 0) yield { looked, of: layouts.length };
    const single: Deployment = { kind: 'aggregated', pool: { layout, instances: 1 } };
    const deployed = deployFor(single);
    if (deployed.writers.instance.room === 0) continue;
    const { best } = loadOf(task, 'throughput', single, deployed);
    if (best) push(withInstances(single, requestsPerSecond / best.prediction.requestsPerSecond));
    const { reader, writer } = halvesOf(task, layout, deployFor);
    if (reader) readers.push(reader);
    if (writer) writers.push(writer);
  }
  const pool = ({ layout, requestsPerSecond: rate }: Half): Pool => ({
    layout,
    instances: Math.ceil(requestsPerSecond / rate),
  });
  for (const reader of unbeatenReaders(readers))
    for (const writer of mostWriting(writers))
      push({ kind: 'disaggregated', prefill: pool(reader), decode: pool(writer) });

  const found: Loaded[] = [];
  const played = new Set<string>();
  for (let next = open.pop(); next && found.length < top; next = open.pop()) {
    const key = JSON.stringify(next);
    if (played.has(key)) continue;
    played.add(key);
    yield { looked: layouts.length, of: layouts.length };
    const prediction = playRate(task, costs, deployFor, { deployment: next, requestsPerSecond });
    const concurrency = requestsPerSecond * prediction.secondsOfRequest.mean;
    if (keptShareOf(prediction) >= keptShare) found.push({ deployment: next, concurrency, prediction });
    else for (const more of withOneMore(next)) push(more);
  }
  return found.sort(
    (a, b) =>
      a.prediction.devices - b.prediction.devices ||
      a.prediction.secondsPerOutputToken.mean - b.prediction.secondsPerOutputToken.mean,
  );
}

const withInstances = (deployment: Deployment & { kind: 'aggregated' }, least: number): Deployment => ({
  kind: 'aggregated',
  pool: { ...deployment.pool, instances: Math.ceil(least) },
});

const more = (pool: Pool): Pool => ({ ...pool, instances: pool.instances + 1 });

const withOneMore = (deployment: Deployment): Deployment[] =>
  deployment.kind === 'aggregated'
    ? [{ ...deployment, pool: more(deployment.pool) }]
    : [
        { ...deployment, prefill: more(deployment.prefill) },
        { ...deployment, decode: more(deployment.decode) },
      ];
