// Seconds of the kernels of a kind's layers and of its head at least, each computed once.
import { mixtureOf } from '../../model/config.ts';
import { remember } from '../../step/once.ts';
import { type CostModel, type TrainingCosts, trainingCosts } from '../training/costs.ts';
import { selectionTakesLonger } from '../training/selection.ts';
import { type AttentionSeconds, leastAttention } from './least-attention.ts';
import { leastHead } from './least-head.ts';
import { type AlikeMatrices, leastProducts, matricesOf, type ProductSeconds, tokensOf } from './least-products.ts';
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
  const selects = selectionTakesLonger(task.software);
  const isApart = ({ recompute }: Kind): boolean => selects && recompute === 'selective';
  // Of a layout's settings kernels depend on no others.
  const costs = new Map<string, TrainingCosts>();
  const costsOf = (kind: Kind): TrainingCosts =>
    remember(costs, `${kind.tp} ${kind.ep} ${isApart(kind)}`, () => {
      const layout = { ...kindLayout(kind), zero: 2 } as const;
      return trainingCosts({ ...task, layout, microBatch: kind.microBatch, microbatches: 1 }, model);
    });
  const matrices = new Map<string, readonly AlikeMatrices[]>();
  const products = new Map<string, ProductSeconds>();
  const attention = new Map<string, AttentionSeconds>();
  const heads = new Map<string, number>();
  return {
    products(kind, layer) {
      const key = `${kind.tp} ${kind.ep} ${tokensOf(task, kind)} ${isApart(kind)} ${layer}`;
      return remember(products, key, () => {
        const ofRank = remember(matrices, `${kind.tp} ${kind.ep} ${layer}`, () => matricesOf(task, kind, layer));
        const perToken = mixtureOf(task.config, layer)?.perToken ?? 1;
        return leastProducts(ofRank, tokensOf(task, kind), perToken, costsOf(kind));
      });
    },
    attention(kind, layer) {
      const { tp, cp, cpMode, microBatch } = kind;
      const key = `${tp} ${cp} ${cpMode} ${microBatch} ${isApart(kind)} ${layer}`;
      return remember(attention, key, () => leastAttention(task, kind, layer, sample.attention(layer), costsOf(kind)));
    },
    head(kind) {
      const key = `${kind.tp} ${tokensOf(task, kind)} ${isApart(kind)}`;
      return remember(heads, key, () => leastHead(task, kind, costsOf(kind)));
    },
  };
}
