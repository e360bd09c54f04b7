// Seconds of the kernels of a part at least, for a microbatch: products and attention as they are, what goes through memory as traced parts do on fewer ranks.
import type { PartName } from '../../model/params.ts';
import { rateOf } from '../hardware/number-format.ts';
import type { TrainingCosts } from '../training/costs.ts';
import { leastAttention } from './least-attention.ts';
import { type ProductSeconds, tokensOf } from './least-products.ts';
import type { SampledPass, Sampler } from './least-sample.ts';
import type { Kind, SearchTask } from './task.ts';

/** Seconds of one pass. */
export interface PassSeconds {
  /** All but attention's. */
  readonly others: number;
  readonly attention: number;
}

export interface PartSeconds {
  readonly forward: PassSeconds;
  readonly backward: PassSeconds;
  /** Where backward is cut. */
  readonly inputGradient: PassSeconds;
  readonly weightGradient: PassSeconds;
}

const nothing: PassSeconds = { others: 0, attention: 0 };

/** `productsOf`: those of a layer. `isShared`: gradients are shared out. */
export function leastSeconds(
  task: SearchTask,
  productsOf: (kind: Kind, layer: number) => ProductSeconds,
  sample: Sampler,
): (kind: Kind, name: PartName, layer: number, isShared: boolean, costs: TrainingCosts) => PartSeconds {
  const blockSeconds = (kind: Kind, layer: number, isShared: boolean, costs: TrainingCosts): PartSeconds => {
    const isFull = kind.recompute === 'full';
    const { forward, inputGradient, weightGradient, again } = productsOf(kind, layer);
    const sampled = sample(kind, 'block', layer);
    const attention = leastAttention(task, kind, layer, sampled.attention, costs);
    const merged = mergeSeconds(task, kind, costs);
    const back = attention.backward + (isFull ? attention.forward : 0);
    const input = inputGradient + (isFull ? again : 0);
    return {
      forward: {
        others: forward + movedSeconds(sampled.forward, isShared, costs) + merged.forward,
        attention: attention.forward,
      },
      backward: {
        others: input + weightGradient + movedSeconds(sampled.backward, isShared, costs) + merged.backward,
        attention: back,
      },
      inputGradient: { others: input, attention: back },
      weightGradient: { others: weightGradient, attention: 0 },
    };
  };
  return (kind, name, layer, isShared, costs) => {
    if (name === 'block') return blockSeconds(kind, layer, isShared, costs);
    const sampled = sample(kind, name, layer);
    const head = name === 'head' ? headSeconds(task, kind, costs) : 0;
    return {
      forward: { others: movedSeconds(sampled.forward, isShared, costs), attention: 0 },
      backward: { others: head + movedSeconds(sampled.backward, isShared, costs), attention: 0 },
      inputGradient: { others: head, attention: 0 },
      weightGradient: nothing,
    };
  };
}

/** Of kernels bound by memory, whose seconds are in proportion to what they go through but for their launches. */
function movedSeconds(pass: SampledPass, isShared: boolean, { kernel }: TrainingCosts): number {
  const { kernels, floats, bytes, addingKernels, addingBytes } = pass;
  const through = (count: number, floats: number, bytes: number): number =>
    count === 0 ? 0 : count * kernel({ kind: 'memory', floats: floats / count, bytes: bytes / count });
  return through(kernels, floats, bytes) + (isShared ? 0 : through(addingKernels, 0, addingBytes));
}

/** A ring's rank adds what each block of keys gives to what those before it gave. */
function mergeSeconds(task: SearchTask, kind: Kind, { kernel }: TrainingCosts): { forward: number; backward: number } {
  const { config } = task;
  const { tp, cp, cpMode } = kind;
  if (cp === 1 || cpMode !== 'ring' || config.latent) return { forward: 0, backward: 0 };
  const outputs = (tokensOf(task, kind) * config.heads * config.headDim) / tp;
  const forward = (cp - 1) * kernel({ kind: 'memory', floats: 3 * outputs, bytes: 0 });
  return { forward, backward: forward };
}

/** Logits, and the gradients of what they are made of; in blocks of tokens at the peak of the products' format. */
export function headSeconds(task: SearchTask, kind: Kind, { kernel }: TrainingCosts): number {
  const { config, cluster, formats } = task;
  const { hiddenSize: hidden, vocabSize } = config;
  const [rows, columns] = [tokensOf(task, kind), vocabSize / kind.tp];
  if (task.software.lossInBlocks || !Number.isInteger(columns)) {
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
