// The search for a layout of training that the command line asks for.
import { findModel } from '../checkpoint/model-source.ts';
import { option } from '../errors.ts';
import type { SearchTask } from '../plan/search/task.ts';
import { currentSoftware, mixedPrecision } from '../plan/training/scenario.ts';
import { refuse } from '../train/refuse.ts';
import { checkFormat } from './check-format.ts';
import { findCluster } from './find-cluster.ts';
import type { OptionValues } from './options.ts';
import { required } from './planned.ts';

export const trainingDefaults = { seqLen: 4096, products: 'bf16' } as const;

export type TaskOption = 'model' | 'set' | 'cluster' | 'seqLen' | 'globalBatch' | 'products';

/** @throws OPTION_INVALID and what findModel and findCluster throw */
export function taskOf(values: OptionValues<TaskOption>): SearchTask {
  const [model, cluster] = [required(values, 'model'), findCluster(required(values, 'cluster'))];
  const { config } = findModel(model, values.set);
  const { products = trainingDefaults.products, globalBatch = cluster.devices } = values;
  const seqLen = values.seqLen ?? Math.min(trainingDefaults.seqLen, config.positions.max);
  if (seqLen > config.positions.max)
    refuse(
      'seqLen',
      `${seqLen} is longer than the model's ${config.positions.max} positions`,
      `use ${option('seqLen')} ${config.positions.max} or less`,
    );
  checkFormat(cluster.device, products);
  return { config, cluster, seqLen, globalBatch, formats: mixedPrecision(products), software: currentSoftware };
}
