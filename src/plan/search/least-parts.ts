// What parts of the model do of a microbatch at least, without tracing them on as many ranks: in numbers alone, to which what is shared out adds its own.
import type { PartName } from '../../model/params.ts';
import type { WorkKind } from '../../schedule/schedule.ts';
import { once, remember } from '../../step/once.ts';
import type { Software } from '../software/software.ts';
import type { CountedTalk } from '../summary/summary.ts';
import { type CostModel, parametersOf, type TrainingCosts, trainingCosts } from '../training/costs.ts';
import type { LivePart } from '../training/held-besides.ts';
import {
  addSums,
  allSeconds,
  noSums,
  type RunSeconds,
  type RunSums,
  shownSeconds,
  withTalk,
} from '../training/run-seconds.ts';
import { selectionTakesLonger } from '../training/selection.ts';
import type { LeastKernels } from './least-kernels.ts';
import type { Sampler } from './least-sample.ts';
import { leastSeconds, type PassSeconds } from './least-seconds.ts';
import { endTalk, layerTalk, sharedTalk } from './least-talk.ts';
import type { PartElements } from './part-elements.ts';
import { copiesOf, hasEndsApart, type Kind, type SearchTask, type SharedGrid, sharedLayout } from './task.ts';

/** What a part does of a microbatch, by the work on it. */
export interface LeastPart extends LivePart {
  readonly sums: (work: WorkKind) => RunSums;
  readonly seconds: (work: WorkKind) => RunSeconds;
  /** With nothing beside exchanges of experts; if there are any, of the device alone, as more of them may hide what the host takes. */
  readonly apart: (work: WorkKind) => RunSeconds;
}

/** Parts of a kind, and what their collectives cost. */
export interface PartsOfKind {
  readonly part: (name: PartName, layer: number) => LeastPart;
  readonly costs: () => TrainingCosts;
}

/** `elementsOf`: of a rank's parameters of a part. */
export function leastParts(
  task: SearchTask,
  model: CostModel,
  sample: Sampler['part'],
  kernels: LeastKernels,
  elementsOf: (grid: SharedGrid, name: PartName, layer: number) => PartElements,
): (grid: SharedGrid) => PartsOfKind {
  const { software } = task;
  const parameters = parametersOf(model);
  const selects = selectionTakesLonger(software);
  const secondsOf = leastSeconds(task, kernels, sample);
  const shownBy = (sums: LeastPart['sums']): Pick<LeastPart, 'seconds' | 'apart'> => {
    const seconds = byWork((work) => leastShown(sums(work), parameters, software));
    const ofDevice = (work: WorkKind): RunSums => ({ ...sums(work), launched: 0 });
    const apart = byWork((work) => leastShown(ofDevice(work), parameters, { ...software, overlapsExperts: false }));
    return { seconds, apart: (work) => (sums(work).ep > 0 ? apart(work) : seconds(work)) };
  };
  const alone = (kind: Kind, name: PartName, layer: number, costs: () => TrainingCosts): LeastPart => {
    // Of a part that does not fit, nobody asks for seconds.
    const passes = once(() => secondsOf(kind, name, layer, costs()));
    const talk = once(() => (name === 'block' ? layerTalk(task, kind, layer) : endTalk(task, kind, name)));
    const saidIn = (work: WorkKind): readonly CountedTalk[] => {
      if (work === 'forward') return talk().forward;
      return work === 'weightGradient' || (work === 'inputGradient' && name === 'embedding') ? [] : talk().backward;
    };
    const sampled = sample(kind, name, layer);
    // What a backward leaves is less than nothing, and not known from below.
    const net = Number.MIN_SAFE_INTEGER;
    const halves = { live: { peak: 0, net } };
    const sums = byWork((work) => withTalk(sumsOf(passes()[work]), saidIn(work), costs(), software));
    return {
      ...{ name, layer, policy: name === 'block' ? kind.recompute : 'none' },
      forward: { live: sampled.forward },
      backward: { live: { peak: sampled.backward.peak, net } },
      inputGradient: halves,
      weightGradient: halves,
      sums,
      ...shownBy(sums),
    };
  };
  const known = new Map<string, LeastPart>();
  /** What is said besides, where something is shared out: as much whatever the microbatch. */
  const shared = new Map<string, Readonly<Record<'forward' | 'backward', RunSums>>>();
  return (grid) => {
    const { kind, sharing } = grid;
    const costs = once(() => {
      const scenario = { ...task, layout: sharedLayout(grid), microBatch: kind.microBatch, microbatches: 1 };
      return trainingCosts(scenario, model);
    });
    const { tp, sp, cp, cpMode, ep, microBatch, recompute } = kind;
    // Where tensors are gathered one by one, all talk beside them is priced like that.
    const ends = `${tp} ${sp} ${cp} ${microBatch} ${selects && recompute === 'selective'} ${sharing === 3 && software.gathersTensors}`;
    const blocks = `${ends} ${cpMode} ${ep} ${recompute}`;
    const make = (name: PartName, layer: number): LeastPart => {
      const key = name === 'block' ? `${layer} ${blocks}` : `${name} ${ends}`;
      const part = remember(known, key, () => alone(kind, name, layer, costs));
      if (sharing === 0) return part;
      const said = remember(
        shared,
        `${name} ${layer} ${tp} ${cp} ${ep} ${copiesOf(grid)} ${hasEndsApart(grid)} ${sharing}`,
        () => {
          const { forward, backward } = sharedTalk(task, grid, name, elementsOf(grid, name, layer));
          const sumsOf = (talk: readonly CountedTalk[]) => withTalk(noSums, talk, costs(), software);
          return { forward: sumsOf(forward), backward: sumsOf(backward) };
        },
      );
      const sums = (work: WorkKind): RunSums =>
        work === 'forward' || work === 'backward' ? addSums(part.sums(work), said[work]) : part.sums(work);
      return { ...part, sums, ...shownBy(sums) };
    };
    const parts = new Map<string, LeastPart>();
    return { costs, part: (name, layer) => remember(parts, `${name} ${layer}`, () => make(name, layer)) };
  };
}

/** Computed once of each. */
function byWork<T>(compute: (work: WorkKind) => T): (work: WorkKind) => T {
  const known: { [work in WorkKind]?: T } = {};
  return (work) => {
    known[work] ??= compute(work);
    return known[work];
  };
}

/** More attention than is known of hides a ring's talk and that of parameters at once: as much of it as leaves least. */
function leastShown(sums: RunSums, parameters: TrainingCosts['parameters'], software: Software): RunSeconds {
  const shown = shownSeconds(sums, parameters, software);
  const { compute, attention, shifted, dp } = sums;
  const more = Math.min(shifted - attention, dp - compute);
  if (more <= 0 || !software.overlapsRing || !software.overlapsParameters) return shown;
  const hiding = shownSeconds({ ...sums, compute: compute + more, attention: attention + more }, parameters, software);
  return { ...shown, dp: shown.dp - Math.max(0, allSeconds(shown) - allSeconds(hiding)) };
}

const sumsOf = ({ others, attention, kernels }: PassSeconds): RunSums => ({
  ...noSums,
  ...{ compute: others + attention, attention, launched: kernels },
});
