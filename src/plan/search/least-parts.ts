// What parts of the model do of a microbatch at least, without tracing them on as many ranks: in the form that traced parts have, so that what is made
// of those is made of these.
import type { PartName } from '../../model/params.ts';
import type { KernelShape } from '../../program/kernel-shape.ts';
import { once } from '../../step/once.ts';
import type { CountedKernel, CountedTalk, LiveProfile, PartSummary, RunSummary } from '../summary/summary.ts';
import { type CostModel, type TrainingCosts, trainingCosts } from '../training/costs.ts';
import type { ProductSeconds } from './least-products.ts';
import type { Sampler } from './least-sample.ts';
import { leastSeconds, type PartSeconds, type PassSeconds } from './least-seconds.ts';
import { endTalk, type LeastTalk, layerTalk, sharedTalk } from './least-talk.ts';
import type { PartElements } from './part-elements.ts';
import { type Kind, type SearchTask, type SharedGrid, sharedLayout } from './task.ts';

/** Parts of a kind, and what their kernels and calls cost. */
export interface PartsOfKind {
  readonly part: (name: PartName, layer: number) => PartSummary;
  readonly costs: TrainingCosts;
}

const noTalk: LeastTalk = { forward: [], backward: [] };

/** `elementsOf`: of a rank's parameters of a part. */
export function leastParts(
  task: SearchTask,
  model: CostModel,
  sample: Sampler,
  productsOf: (kind: Kind, layer: number) => ProductSeconds,
  elementsOf: (grid: SharedGrid, name: PartName, layer: number) => PartElements,
): (grid: SharedGrid) => PartsOfKind {
  const secondsOf = leastSeconds(task, productsOf, sample);
  const known = new Map<Kind, Map<string, PartSeconds>>();
  const seconds = ({ kind }: SharedGrid, name: PartName, layer: number, costs: TrainingCosts): PartSeconds => {
    const ofKind = known.get(kind) ?? new Map<string, PartSeconds>();
    known.set(kind, ofKind);
    const key = `${name} ${layer}`;
    const found = ofKind.get(key) ?? secondsOf(kind, name, layer, costs);
    ofKind.set(key, found);
    return found;
  };
  return (grid) => {
    const { kind, sharing } = grid;
    const scenario = { ...task, layout: sharedLayout(grid), microBatch: kind.microBatch, microbatches: 1 };
    const costs = trainingCosts(scenario, model);
    const prices = new Map<KernelShape, number>();
    const run = ({ others, attention, kernels }: PassSeconds, talk: readonly CountedTalk[], live: LiveProfile) => {
      const [ofAttention, ofOthers] = attention > 0 ? [1, kernels - 1] : [0, kernels];
      const counted = [
        pricedKernel(prices, 'memory', others, ofOthers),
        pricedKernel(prices, 'attention', attention, ofAttention),
      ];
      return { kernels: counted.filter(({ count }) => count > 0), talk, flops: 0, live } satisfies RunSummary;
    };
    const make = (name: PartName, layer: number): PartSummary => {
      const { forward, backward, inputGradient, weightGradient } = seconds(grid, name, layer, costs);
      const own = name === 'block' ? layerTalk(task, kind) : endTalk(task, kind, name);
      const shared = sharing === 0 ? noTalk : sharedTalk(task, grid, name, elementsOf(grid, name, layer));
      const said = [...own.backward, ...shared.backward];
      const sampled = sample(kind, name, layer);
      // What a backward leaves is less than nothing, and not known from below.
      const net = Number.MIN_SAFE_INTEGER;
      return {
        ...{ name, layer, policy: name === 'block' ? kind.recompute : 'none' },
        forward: run(forward, [...own.forward, ...shared.forward], sampled.forward),
        backward: run(backward, said, { peak: sampled.backward.peak, net }),
        inputGradient: run(inputGradient, name === 'embedding' ? [] : own.backward, { peak: 0, net }),
        weightGradient: run(weightGradient, [], { peak: 0, net }),
      };
    };
    const parts = new Map<string, PartSummary>();
    return {
      costs: { ...costs, kernel: (kernel) => prices.get(kernel)!, talk: once(costs.talk) },
      part(name, layer) {
        const key = `${name} ${layer}`;
        const found = parts.get(key) ?? make(name, layer);
        parts.set(key, found);
        return found;
      },
    };
  };
}

/** So many kernels that take so long together. */
function pricedKernel(
  prices: Map<KernelShape, number>,
  kind: 'memory' | 'attention',
  seconds: number,
  count: number,
): CountedKernel {
  const kernel: KernelShape = kind === 'memory' ? { kind, floats: 0, bytes: 0 } : { ...anyAttention };
  prices.set(kernel, seconds / count);
  return { kernel, count, site: '' };
}

const anyAttention = {
  kind: 'attention',
  pass: 'forward',
  batch: 1,
  heads: 1,
  kvHeads: 1,
  headDim: 1,
  valueDim: 1,
  queries: 1,
  keys: 1,
  scores: 1,
} as const;
