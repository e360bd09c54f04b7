// The model and the cluster that are named: on the command line, and in a plan's file, which stands alone.
import { z } from 'zod';
import { findModel } from '../checkpoint/model-source.ts';
import type { ModelConfig } from '../model/config.ts';
import { parseModelConfig } from '../model/families.ts';
import { findPreset } from '../model/presets.ts';
import type { Cluster } from '../plan/hardware/cluster.ts';
import { refuse } from '../train/refuse.ts';
import { type ClusterSource, clusterOf, readClusterSource } from './find-cluster.ts';
import type { OptionValues } from './options.ts';

export interface Named {
  /** As given, with the changes to it. */
  readonly model: string;
  readonly set: readonly string[];
  readonly config: ModelConfig;
  readonly clusterSource: ClusterSource;
  readonly cluster: Cluster;
}

type NamedValues = OptionValues<'model' | 'set' | 'cluster'>;

/** @throws OPTION_INVALID where one is missing, and what findModel and clusterOf do */
export function readNamed(values: NamedValues): Named {
  const [model, cluster] = [given(values, 'model'), given(values, 'cluster')];
  const { set = [] } = values;
  const { config } = findModel(model, set);
  const clusterSource = readClusterSource(cluster);
  return { model, set, config, clusterSource, cluster: clusterOf(clusterSource, cluster) };
}

function given(values: NamedValues, key: 'model' | 'cluster'): string {
  const value = values[key];
  if (typeof value === 'string') return value;
  return refuse(key, 'it is missing', `name one, such as ${key === 'model' ? 'llama-3.1-8b' : '8xh100'}`);
}

export const count = z.number().int().positive();

/** As a plan's last line has them. */
export const namedFields = {
  model: z.string().min(1),
  set: z.array(z.string()),
  /** Of a model without a name of its own. */
  config: z.record(z.string(), z.unknown()).optional(),
  cluster: z.union([
    z.object({ name: z.string(), devices: count.optional() }),
    z.object({ file: z.record(z.string(), z.unknown()), devices: count.optional() }),
  ]),
};
const fields = z.object(namedFields);

export const namedJson = ({ model, set, config, clusterSource }: Named) => ({
  model,
  set,
  ...(findPreset(model) ? {} : { config: config.source }),
  cluster: clusterSource,
});

/** `path`: of the plan. @throws what findModel and clusterOf do */
export const namedAgain = ({ model, set, config, cluster }: z.infer<typeof fields>, path: string): Named => ({
  model,
  set,
  config: config ? parseModelConfig(config, `${path}: ${model}`) : findModel(model, set).config,
  clusterSource: cluster,
  cluster: clusterOf(cluster, path),
});
