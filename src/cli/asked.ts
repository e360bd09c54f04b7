// What is asked about training on a cluster, alike for predict, plan and explain: their options, and what these come to.
import { fail, option } from '../errors.ts';
import { kindsOf } from '../plan/hardware/kinds.ts';
import type { NumberFormat } from '../plan/hardware/number-format.ts';
import { type ObjectiveName, objectiveNames } from '../plan/search/objective.ts';
import type { SearchTask } from '../plan/search/task.ts';
import { isOffloaded, type Offload, parseOffload } from '../plan/training/offload.ts';
import { mixedPrecision } from '../plan/training/scenario.ts';
import { refuse } from '../train/refuse.ts';
import { type AskedSoftware, askedSoftware } from './asked-software.ts';
import { checkFormat } from './check-format.ts';
import { type Named, readNamed } from './named.ts';
import type { OptionValues } from './options.ts';

const defaults = { seqLen: 4096, products: 'bf16' } as const;

/** With the defaults that help shows; that of the batch is a command's own. */
export const askedOptions = {
  model: '',
  set: '',
  cluster: '',
  seqLen: `${defaults.seqLen}`,
  globalBatch: '',
  products: `${defaults.products}; of a machine that was measured fp32`,
  software: 'tuned; of a calibrated cluster that of its runs',
} as const;
export type AskedOption = keyof typeof askedOptions;

export interface Asked extends Named {
  readonly seqLen: number;
  /** Sequences of a step; undefined: nobody said. */
  readonly globalBatch?: number;
  readonly products: NumberFormat;
  readonly software: AskedSoftware;
  /** What waits in the host's memory; undefined: nobody said. */
  readonly offload?: Offload;
}

/** @throws what readNamed does, OPTION_INVALID, CLUSTER_INVALID for offload to hosts of which nothing is known */
export function readAsked(values: OptionValues<AskedOption> & { readonly offload?: unknown }): Asked {
  const named = readNamed(values);
  const { config, cluster } = named;
  const { globalBatch } = values;
  return checked({
    ...named,
    seqLen: values.seqLen ?? Math.min(defaults.seqLen, config.positions.max),
    ...(globalBatch === undefined ? {} : { globalBatch }),
    products: values.products ?? (cluster.device.measured ? 'fp32' : defaults.products),
    software: askedSoftware(values.software, cluster),
    ...(typeof values.offload === 'string' ? { offload: parseOffload(values.offload, option('offload')) } : {}),
  });
}

/** @throws OPTION_INVALID for what the model or the device has not */
export function checked(asked: Asked): Asked {
  const { config, seqLen, cluster, products, offload } = asked;
  if (seqLen > config.positions.max)
    refuse(
      'seqLen',
      `${seqLen} is longer than the model's ${config.positions.max} positions`,
      `use ${option('seqLen')} ${config.positions.max} or less`,
    );
  for (const device of kindsOf(cluster)) checkFormat(device, products);
  if (offload && isOffloaded(offload) && !cluster.host)
    fail('CLUSTER_INVALID', {
      cluster: cluster.name,
      problem: 'how much memory its hosts have is not known',
      fix: 'describe it in a file, with "host": {"memoryBytes", "memoryBytesPerSecond", "devices" that share them}',
    });
  return asked;
}

/** Of steps of so many sequences. */
export const taskOf = (
  { config, cluster, seqLen, products, software, offload }: Asked,
  globalBatch: number,
): SearchTask => ({
  config,
  cluster,
  seqLen,
  globalBatch,
  formats: mixedPrecision(products, software.does),
  software: software.does,
  ...(offload ? { offload } : {}),
});

/** The fastest is the best, unless it is said otherwise. @throws OPTION_INVALID */
export function objectiveOf(name: string = 'time'): ObjectiveName {
  const objective = objectiveNames.find((each) => each === name);
  return objective ?? refuse('least', `${name} is an objective of serving`, `use ${objectiveNames.join(', ')}`);
}
