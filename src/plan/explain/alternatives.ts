// The obvious alternatives to a layout, each changed in one respect: what it gains, what it pays, or why it cannot be.
import type { Layout } from '../../mesh/layout.ts';
import { recomputePolicies } from '../../mesh/recompute.ts';
import type { Software } from '../software/software.ts';
import { missingBytes } from '../training/fits.ts';
import type { TrainingScenario } from '../training/scenario.ts';
import { compareTimes, type Difference } from './compare.ts';
import type { Judged, Predict } from './judged.ts';
import { type Changes, changesOf, type Variant, variantOf } from './variant.ts';

export type Alternative =
  | {
      readonly changed: string;
      readonly judged: Judged;
      /** Bytes that a rank needs beyond those that are there; 0: it fits. */
      readonly missingBytes: number;
      /** Of a step, over that of the layout: -0.1 is a tenth less. */
      readonly slower: number;
      /** Seconds more than the layout's, by cause, the largest first. */
      readonly differences: readonly Difference[];
    }
  /** What the model, the batch or the devices forbid. */
  | { readonly changed: string; readonly problem: string };

/** One after another, each once. */
export function* alternatives(base: Judged, predict: Predict): Generator<Alternative, void, void> {
  for (const variant of variantsOf(base.scenario)) yield judge(base, variant, predict);
}

function judge(base: Judged, variant: Variant, predict: Predict): Alternative {
  if ('problem' in variant) return variant;
  const { scenario } = variant;
  const prediction = predict(scenario);
  return {
    changed: changesOf(base.scenario, scenario),
    judged: { scenario, prediction },
    missingBytes: missingBytes(scenario, prediction),
    slower: prediction.stepSeconds / base.prediction.stepSeconds - 1,
    differences: compareTimes(base.prediction, prediction),
  };
}

function variantsOf(scenario: TrainingScenario): Variant[] {
  const seen = new Set<string>();
  return changesTried(scenario).flatMap((changes) => {
    const variant = variantOf(scenario, changes);
    // Of microbatches those that there are enough sequences for are all there is to say.
    if (!variant || ('problem' in variant && changes.microBatch !== undefined)) return [];
    const changed = 'problem' in variant ? variant.changed : changesOf(scenario, variant.scenario);
    if (changed === '' || seen.has(changed)) return [];
    seen.add(changed);
    return [variant];
  });
}

/** Each axis twice and half its size, the levels of ZeRO around its own, all policies, microbatches and chunks. */
function changesTried({ config, layout, microBatch, software }: TrainingScenario): Changes[] {
  const around = (size: number): number[] => [2 * size, ...(size % 2 === 0 ? [size / 2] : [])];
  const splitting = ['tp', 'cp', ...(config.mixture ? (['ep'] as const) : []), 'pp'] as const;
  const { zero, virtual, pp } = layout;
  const levels = ([0, 1, 2, 3] as const).filter((level) => Math.abs(level - zero) === 1);
  return [
    ...splitting.flatMap((axis) => around(layout[axis]).map((size) => ({ [axis]: size }))),
    ...levels.map((level) => ({ zero: level })),
    ...recomputePolicies.map((policy) => ({ recompute: { policy } })),
    ...around(microBatch).map((size) => ({ microBatch: size })),
    ...(layout.tp > 1 ? [{ sp: !layout.sp }] : []),
    ...(pp > 1 ? around(virtual) : [])
      .filter((size) => size === 1 || hasChunks(software, layout))
      .map((size) => ({ virtual: size })),
    ...(pp > 1 && virtual === 1 ? ordersIn(software) : []).map((schedule) => ({ schedule })),
  ];
}

const hasChunks = ({ pipelines }: Software, { schedule }: Layout): boolean =>
  pipelines.includes(schedule === 'gpipe' ? 'breadth-first' : 'interleaved');

/** Of one chunk a stage, those that may be better than all forwards before all backwards. */
export const ordersIn = ({ pipelines }: Software) =>
  (['1f1b', 'zb-h1', 'dualpipe'] as const).filter((order) => pipelines.includes(order));
