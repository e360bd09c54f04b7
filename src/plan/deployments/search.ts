// The best ways to serve a model on all devices of a cluster: instances that do all, or pools of those that read and those that write.

import type { ServingCosts } from '../serving/iteration.ts';
import { meanLengths } from '../serving/lengths.ts';
import type { Deployment } from '../serving/scenario.ts';
import { type Half, halvesOf, mostWriting, unbeatenReaders } from './halves.ts';
import { deployer, instanceSizes, servingLayouts } from './instances.ts';
import { loadOf } from './loads.ts';
import { type ServingObjective, servingValue } from './objective.ts';
import { countSplits, type Split, splitsOf } from './splits.ts';
import type { Loaded, ServingTask } from './task.ts';

export interface DeploymentOptions {
  readonly objective: ServingObjective;
  /** So many deployments are wanted. */
  readonly top: number;
}

export interface DeploymentsFound {
  /** The best first, each with as many requests as serve the objective: all keep the targets. */
  readonly found: readonly Loaded[];
  /** Every deployment and load that was looked at. */
  readonly points: readonly Loaded[];
  /** Deployments there are, and of them those that bounds ruled out. */
  readonly judged: number;
  readonly pruned: number;
}

/** Of a search that goes on. */
export interface SearchingDeployments {
  readonly looked: number;
  readonly of: number;
}

/** Stops now and then, to be gone on with. */
export function* searchDeployments(
  task: ServingTask,
  costs: ServingCosts,
  { objective, top }: DeploymentOptions,
): Generator<SearchingDeployments, DeploymentsFound, void> {
  const { cluster, model, lengths } = task;
  const { devices } = cluster;
  const found: { readonly value: number; readonly loaded: Loaded }[] = [];
  const points: Loaded[] = [];
  const deployFor = deployer(task, costs);
  const look = (deployment: Deployment): void => {
    const deployed = deployFor(deployment);
    if (deployed.writers.instance.room === 0) return;
    const tried = loadOf(task, objective, deployment, deployed);
    points.push(...tried.points);
    if (tried.best) insert(tried.best);
  };
  const insert = (loaded: Loaded): void => {
    const { outputTokensPerSecond, secondsPerOutputToken } = loaded.prediction;
    const value = servingValue(objective, { outputTokensPerSecond, secondsPerOutputToken: secondsPerOutputToken.mean });
    const at = found.findIndex((other) => value < other.value);
    found.splice(at < 0 ? found.length : at, 0, { value, loaded });
    if (found.length > top) found.length = top;
  };

  const layouts = instanceSizes(cluster).flatMap((size) => servingLayouts(model, size));
  const readers: Half[] = [];
  const writers: Half[] = [];
  let aggregated = 0;
  for (const [looked, layout] of layouts.entries()) {
    if (looked % layoutsBetweenStops === 0) yield { looked, of: layouts.length };
    const instances = devices / (layout.tp * layout.cp * layout.dp * layout.pp);
    if (Number.isInteger(instances)) {
      look({ kind: 'aggregated', pool: { layout, instances } });
      aggregated += 1;
    }
    if (instances === 1) continue;
    const { reader, writer } = halvesOf(task, layout, deployFor);
    if (reader) readers.push(reader);
    if (writer) writers.push(writer);
  }

  const { outputTokens } = meanLengths(lengths);
  const worthOf = ({ requestsPerSecond, leastSecondsPerToken }: Split): number =>
    servingValue(objective, {
      outputTokensPerSecond: requestsPerSecond * outputTokens,
      secondsPerOutputToken: leastSecondsPerToken,
    });
  const kept = objective === 'latency' ? writers : mostWriting(writers);
  const pairs = unbeatenReaders(readers).flatMap((reader) => kept.map((writer) => [reader, writer] as const));
  let apart = 0;
  for (const { split, value } of splitsOf(devices, pairs, worthOf)) {
    if (found.length === top && value >= found.at(-1)!.value) break;
    yield { looked: layouts.length, of: layouts.length };
    look(split.deployment);
    apart += 1;
  }
  const judged = aggregated + countAll(devices, readers, writers);
  return { found: found.map(({ loaded }) => loaded), points, judged, pruned: judged - aggregated - apart };
}

export const layoutsBetweenStops = 8;

const countAll = (devices: number, readers: readonly Half[], writers: readonly Half[]): number =>
  readers.reduce(
    (sum, reader) => writers.reduce((each, writer) => each + countSplits(devices, reader, writer), sum),
    0,
  );
