// Seconds of the kernels of a kind's layers and of its head at least, each computed once.
import { remember } from '../../step/once.ts';
import { type CostModel, type TrainingCosts, trainingCosts } from '../training/costs.ts';
import { type AttentionSeconds, leastAttention } from './least-attention.ts';
import { leastHead } from './least-head.ts';
import { leastProducts, type ProductSeconds, tokensOf } from './least-products.ts';
import type { Sampler } from './least-sample.ts';
import { type Kind, kindLayout, type SearchTask } from './task.ts';

export interface LeastKernels {
  readonly products: (kind: Kind, layer: number) => ProductSeconds;
  readonly attention: (kind: Kind, layer: number) => AttentionSeconds;
  /** Both ways. */
  readonly head: (kind: Kind) => number;
}

/** Whatever is shared out: `model`'s products cost as much at least, and where gradients are, nothing adds them up apart. */
export function leastKernels(task: SearchTask, model: CostModel, sample: Sampler): LeastKernels {
  const costsOf = (kind: Kind): TrainingCosts => {
    const layout = { ...kindLayout(kind), zero: 2 } as const;
    return trainingCosts({ ...task, layout, microBatch: kind.microBatch, microbatches: 1 }, model);
  };
  const products = new Map<string, ProductSeconds>();
  const attention = new Map<string, AttentionSeconds>();
  const heads = new Map<string, number>();
  return {
    products(kind, layer) {
      const key = `${kind.tp} ${kind.ep} ${tokensOf(task, kind)} ${kind.recompute === 'selective'} ${layer}`;
      return remember(products, key, () => leastProducts(task, kind, layer, costsOf(kind)));
    },
    attention(kind, layer) {
      const { tp, cp, cpMode, microBatch, recompute } = kind;
      const key = `${tp} ${cp} ${cpMode} ${microBatch} ${recompute === 'selective'} ${layer}`;
      return remember(attention, key, () => leastAttention(task, kind, layer, sample.attention(layer), costsOf(kind)));
    },
    head(kind) {
      const key = `${kind.tp} ${tokensOf(task, kind)} ${kind.recompute === 'selective'}`;
      return remember(heads, key, () => leastHead(task, kind, costsOf(kind)));
    },
  };
}
