// What parts of the model do of a microbatch at least, without tracing them on as many ranks: in numbers alone, to which what is shared out adds its own.
import type { PartName } from '../../model/params.ts';
import type { WorkKind } from '../../schedule/schedule.ts';
import { once } from '../../step/once.ts';
import type { CountedTalk } from '../summary/summary.ts';
import { type CostModel, type TrainingCosts, trainingCosts } from '../training/costs.ts';
import type { LivePart } from '../training/held-besides.ts';
import { noSums, type RunSeconds, type RunSums, shownSeconds, withTalk } from '../training/run-seconds.ts';
import type { ProductSeconds } from './least-products.ts';
import type { Sampler } from './least-sample.ts';
import { leastSeconds, type PassSeconds } from './least-seconds.ts';
import { endTalk, layerTalk, sharedTalk } from './least-talk.ts';
import type { PartElements } from './part-elements.ts';
import { type Kind, type SearchTask, type SharedGrid, sharedLayout } from './task.ts';

/** What a part does of a microbatch, by the work on it. */
export interface LeastPart extends LivePart {
  readonly sums: (work: WorkKind) => RunSums;
}

/** Parts of a kind, and what their collectives cost. */
export interface PartsOfKind {
  readonly part: (name: PartName, layer: number) => LeastPart;
  readonly seconds: (part: LeastPart, work: WorkKind) => RunSeconds;
  readonly costs: TrainingCosts;
}

/** `elementsOf`: of a rank's parameters of a part. */
export function leastParts(
  task: SearchTask,
  model: CostModel,
  sample: Sampler,
  productsOf: (kind: Kind, layer: number) => ProductSeconds,
  elementsOf: (grid: SharedGrid, name: PartName, layer: number) => PartElements,
): (grid: SharedGrid) => PartsOfKind {
  const { software } = task;
  const secondsOf = leastSeconds(task, productsOf, sample);
  const alone = (kind: Kind, name: PartName, layer: number, costs: TrainingCosts): LeastPart => {
    // Of a part that does not fit, nobody asks for seconds.
    const passes = once(() => secondsOf(kind, name, layer, costs));
    const talk = once(() => (name === 'block' ? layerTalk(task, kind, layer) : endTalk(task, kind, name)));
    const saidIn = (work: WorkKind): readonly CountedTalk[] => {
      if (work === 'forward') return talk().forward;
      return work === 'weightGradient' || (work === 'inputGradient' && name === 'embedding') ? [] : talk().backward;
    };
    const sampled = sample(kind, name, layer);
    // What a backward leaves is less than nothing, and not known from below.
    const net = Number.MIN_SAFE_INTEGER;
    const halves = { live: { peak: 0, net } };
    return {
      ...{ name, layer, policy: name === 'block' ? kind.recompute : 'none' },
      forward: { live: sampled.forward },
      backward: { live: { peak: sampled.backward.peak, net } },
      inputGradient: halves,
      weightGradient: halves,
      sums: once((work: WorkKind) => withTalk(sumsOf(passes()[work]), saidIn(work), costs, software)),
    };
  };
  const known = new Map<string, LeastPart>();
  return (grid) => {
    const { kind, sharing } = grid;
    const scenario = { ...task, layout: sharedLayout(grid), microBatch: kind.microBatch, microbatches: 1 };
    const costs = trainingCosts(scenario, model);
    const { tp, sp, cp, cpMode, ep, microBatch, recompute } = kind;
    // Where tensors are gathered one by one, all talk beside them is priced like that.
    const ends = `${tp} ${sp} ${cp} ${microBatch} ${recompute === 'selective'} ${sharing === 3 && software.gathersTensors}`;
    const blocks = `${ends} ${cpMode} ${ep} ${recompute}`;
    const make = (name: PartName, layer: number): LeastPart => {
      const key = name === 'block' ? `${layer} ${blocks}` : `${name} ${ends}`;
      const part = known.get(key) ?? alone(kind, name, layer, costs);
      known.set(key, part);
      if (sharing === 0) return part;
      const shared = sharedTalk(task, grid, name, elementsOf(grid, name, layer));
      const add = (work: 'forward' | 'backward'): RunSums => withTalk(part.sums(work), shared[work], costs, software);
      return {
        ...part,
        sums: once((work) => (work === 'forward' || work === 'backward' ? add(work) : part.sums(work))),
      };
    };
    const parts = new Map<string, LeastPart>();
    return {
      costs,
      seconds: once((part: LeastPart, work: WorkKind) => shownSeconds(part.sums(work), costs.parameters, software)),
      part(name, layer) {
        const key = `${name} ${layer}`;
        const found = parts.get(key) ?? make(name, layer);
        parts.set(key, found);
        return found;
      },
    };
  };
}

const sumsOf = ({ others, attention, kernels }: PassSeconds): RunSums => ({
  ...noSums,
  ...{ compute: others + attention, attention, launched: kernels },
});
