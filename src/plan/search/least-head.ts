// Seconds of the products of the head at least, both ways, of a microbatch.
import { rateOf } from '../hardware/number-format.ts';
import type { TrainingCosts } from '../training/costs.ts';
import { tokensOf } from './least-products.ts';
import type { Kind, SearchTask } from './task.ts';

/** Logits, and the gradients of what they are made of; in blocks of tokens at the peak of the products' format. */
export function leastHead(task: SearchTask, kind: Kind, { kernel }: TrainingCosts): number {
  const { config, cluster, formats } = task;
  const { hiddenSize: hidden, vocabSize } = config;
  const [rows, columns] = [tokensOf(task, kind), vocabSize / kind.tp];
  if (task.software.loss === 'blocks' || !Number.isInteger(columns)) {
    const peak = cluster.device.flopsPerSecond[rateOf[formats.products]] ?? Number.POSITIVE_INFINITY;
    return (6 * rows * hidden * columns) / peak;
  }
  const product = { kind: 'matmul', batch: 1 } as const;
  return (
    kernel({ ...product, m: rows, n: columns, k: hidden }) +
    kernel({ ...product, m: rows, n: hidden, k: columns }) +
    kernel({ ...product, m: columns, n: hidden, k: rows, accumulates: true })
  );
}
