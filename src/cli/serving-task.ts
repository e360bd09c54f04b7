// The question about serving that the command line asks.
import { fail, option } from '../errors.ts';
import type { ModelConfig } from '../model/config.ts';
import { type ServingObjective, servingObjectives } from '../plan/deployments/objective.ts';
import type { ServingTask } from '../plan/deployments/task.ts';
import type { Cluster } from '../plan/hardware/cluster.ts';
import { rateOf } from '../plan/hardware/number-format.ts';
import { refuse } from '../train/refuse.ts';
import { servedWeights } from './check-format.ts';
import { type Named, readNamed } from './named.ts';
import type { OptionValues } from './options.ts';

export const servingDefaults = {
  inputTokens: 2048,
  outputTokens: 512,
  ttft: 2,
  tpot: 0.05,
  products: 'bf16',
  engine: 'vllm',
} as const;

/** Beside those that training has too, with the defaults that help shows. */
export const servingOptions = {
  inputTokens: `${servingDefaults.inputTokens}`,
  outputTokens: `${servingDefaults.outputTokens}`,
  ttft: '2s',
  tpot: '50ms',
  concurrency: 'as many as the targets allow',
  rate: '',
  cache: 'as activations',
  engine: servingDefaults.engine,
  speculate: '',
} as const;
export type ServingOption = keyof typeof servingOptions;

/** The task, and what names its model and cluster. */
export interface ServingAsked extends Named {
  readonly task: ServingTask;
}

/** Of a task, beside model and cluster. */
export type ServingValues = OptionValues<'products' | ServingOption>;

/** @throws OPTION_INVALID and what readNamed does */
export function readServing(values: OptionValues<'model' | 'set' | 'cluster'> & ServingValues): ServingAsked {
  const named = readNamed(values);
  return { ...named, task: servingTask(named.config, named.cluster, values) };
}

/** @throws OPTION_INVALID for what the model or the device has not */
export function servingTask(model: ModelConfig, cluster: Cluster, values: ServingValues): ServingTask {
  if (cluster.others)
    fail('CLUSTER_INVALID', {
      cluster: cluster.name,
      problem: `it has devices of ${cluster.others.length + 1} kinds, which serving is not predicted on yet`,
      fix: 'describe a cluster of one kind',
    });
  if (cluster.device.measured)
    fail('CLUSTER_INVALID', {
      cluster: cluster.name,
      problem: 'its cores were measured as they train, which says nothing of an engine that serves',
      fix: 'give a cluster of GPUs',
    });
  if (values.rate !== undefined && values.concurrency !== undefined)
    refuse('rate', `it is given with ${option('concurrency')}`, 'give one of the two');
  const { products = servingDefaults.products, engine = servingDefaults.engine } = values;
  const weights = servedWeights.find((format) => format === products);
  if (weights === undefined)
    return refuse('products', `weights are not served in ${products}`, `use one of ${servedWeights.join(', ')}`);
  const { device } = cluster;
  const wide = (['bf16', 'fp32'] as const).find((format) => device.flopsPerSecond[rateOf[format]] !== undefined);
  const activations = weights === 'fp32' || weights === 'fp16' ? weights : (wide ?? 'fp32');
  if (device.flopsPerSecond[rateOf[activations]] === undefined)
    refuse('products', `${device.title} has no products in ${activations}`, `use ${option('products')} ${wide}`);
  return {
    model,
    cluster,
    engine,
    formats: { weights, cache: values.cache ?? activations, activations },
    lengths: lengthsOf(values, model.positions.max),
    targets: {
      secondsToFirstToken: values.ttft ?? servingDefaults.ttft,
      secondsPerOutputToken: values.tpot ?? servingDefaults.tpot,
    },
    ...(values.concurrency === undefined ? {} : { concurrency: values.concurrency }),
    ...(values.speculate === undefined ? {} : { speculation: values.speculate }),
  };
}

/** The most tokens a second is the best, unless it is said otherwise. @throws OPTION_INVALID */
export function servingObjectiveOf(name: string = servingObjectives[0]): ServingObjective {
  const objective = servingObjectives.find((each) => each === name);
  return (
    objective ??
    refuse('least', `${name} is an objective of training`, `of serving use ${servingObjectives.join(', ')}`)
  );
}

/** Lengths that nobody gave are ones that the model has. */
function lengthsOf(
  { inputTokens, outputTokens }: Pick<OptionValues<ServingOption>, 'inputTokens' | 'outputTokens'>,
  most: number,
): ServingTask['lengths'] {
  const answers = outputTokens ?? Math.min(servingDefaults.outputTokens, Math.max(1, Math.floor(most / 4)));
  const prompts = inputTokens ?? Math.max(1, Math.min(servingDefaults.inputTokens, most - answers));
  if (prompts + answers > most)
    refuse(
      inputTokens === undefined ? 'outputTokens' : 'inputTokens',
      `${prompts} tokens of a prompt and ${answers} of its answer are more than the model's ${most} positions`,
      `use ${option('inputTokens')} and ${option('outputTokens')} of ${most} together`,
    );
  return { inputTokens: prompts, outputTokens: answers };
}
