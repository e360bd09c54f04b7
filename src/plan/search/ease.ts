// What layouts that do not fit give up for room, and how little of it is enough.
import { chunksOf, type Layout, placeOf, virtualLayers } from '../../mesh/layout.ts';
import type { Recompute } from '../../mesh/recompute.ts';
import { kindsOfStages } from '../hardware/kinds.ts';
import type { OffloadedPart } from '../software/software.ts';
import { actionsOf } from '../summary/actions.ts';
import { summariseStages } from '../summary/stage-summary.ts';
import { fits } from '../training/fits.ts';
import { stepSettings } from '../training/predict-training.ts';
import { type TrainingScenario, widthsOf } from '../training/scenario.ts';
import { stageMemory } from '../training/stage-memory.ts';
import { type Ease, type Kind, type Leaf, leafScenario, type SearchTask } from './task.ts';

/** Activations are moved to the host in hundredths of them. */
export const allOfThem = 100;
export const hundredthsOf = (count: number): number => count / allOfThem;

/** How much a layout gives up at least: layers of each stage, or hundredths of activations. */
export interface Amounts {
  readonly layers: readonly number[];
  readonly hundredths: number;
}

export const nothingGiven: Amounts = { layers: [], hundredths: 0 };

type Eased = Pick<Leaf, 'grid' | 'ease'>;

/** What one that gives up so much may give up besides if it does not fit. What hosts hold is ours to say where nobody has said it. */
export function easesOf(task: SearchTask, { grid, ease }: Eased): readonly Ease[] {
  if (ease?.by) return [];
  const optimizer = ease !== undefined;
  return [
    ...(mayMove(task, 'optimizer') && !optimizer ? [{ optimizer: true }] : []),
    ...(grid.kind.recompute === 'none' ? (['selective', 'full'] as const).map((by) => ({ optimizer, by })) : []),
    ...(mayMove(task, 'activations') ? [{ optimizer, by: 'activations' } as const] : []),
  ];
}

/** What a layout need not hold on its device, whichever it is. */
export function givingOf(task: SearchTask, mayGive: boolean) {
  const { offload } = task;
  return {
    optimizer: (mayGive && mayMove(task, 'optimizer')) || (offload?.optimizer ?? false),
    activations: (mayGive && mayMove(task, 'activations')) || (offload?.activations ?? 0) > 0,
    /** Layers that compute anew hold next to nothing. */
    layers: ({ recompute }: Kind): boolean => mayGive && recompute === 'none',
  };
}

/** All that a layout of a kind may give up at once. */
export function allOf(task: SearchTask, kind: Kind): Ease {
  const { optimizer, activations, layers } = givingOf(task, true);
  return { optimizer, ...(activations || layers(kind) ? { by: 'activations' } : {}) };
}

const mayMove = ({ cluster, software, offload }: SearchTask, part: OffloadedPart): boolean =>
  cluster.host !== undefined && offload === undefined && software.offloads.includes(part);

/** With as little given up as makes it fit, if it does: more of it takes longer. Undefined: it does not fit, or is one that others are. */
export function settle(task: SearchTask, leaf: Leaf, least: Amounts): TrainingScenario | undefined {
  const { ease } = leaf;
  const scenario = leafScenario(task, leaf);
  if (!ease) return scenario;
  const { optimizer, by } = ease;
  const moved = optimizer ? { ...scenario, offload: { optimizer, activations: 0 } } : scenario;
  if (by === undefined) return moved;
  return by === 'activations' ? withMoved(moved, least) : withComputedAnew(moved, by, least);
}

function withMoved(scenario: TrainingScenario, { hundredths }: Amounts): TrainingScenario | undefined {
  const summaries = summariseStages(stepSettings(scenario), widthsOf(scenario.formats));
  const isThere = roomOf(scenario);
  const moving = (count: number): TrainingScenario => ({
    ...scenario,
    offload: { optimizer: scenario.offload?.optimizer ?? false, activations: hundredthsOf(count) },
  });
  const enough = fewest(allOfThem, hundredths, (count) =>
    summaries.every((summary, stage) => isThere(moving(count), stage, summary)),
  );
  return enough ? moving(enough) : undefined;
}

function withComputedAnew(
  scenario: TrainingScenario,
  policy: Recompute['policy'],
  { layers }: Amounts,
): TrainingScenario | undefined {
  const { config, layout, formats } = scenario;
  const isThere = roomOf(scenario);
  const anew: number[] = [];
  for (const { stages, own } of sharedLayers(layout, config.layers)) {
    const enough = fewest(own.length, Math.max(0, ...stages.map((stage) => layers[stage] ?? 0)), (count) => {
      const trying = computingAnew(scenario, policy, own.slice(0, count));
      const summaries = summariseStages(stepSettings(trying), widthsOf(formats), stages);
      return stages.every((stage, i) => isThere(trying, stage, summaries[i]!));
    });
    if (enough === undefined) return undefined;
    anew.push(...own.slice(0, enough));
  }
  // All of them are what the policy by itself is.
  return anew.length === 0 || anew.length === config.layers ? undefined : computingAnew(scenario, policy, anew);
}

/** Whether a stage fits on each of its devices. */
function roomOf({ cluster, layout, microbatches }: TrainingScenario) {
  const kinds = kindsOfStages(cluster, layout);
  const actions = actionsOf(layout, microbatches);
  return (scenario: TrainingScenario, stage: number, summary: ReturnType<typeof summariseStages>[number]): boolean => {
    const memory = stageMemory(summary, actions[stage]!, scenario);
    return kinds[stage]!.every((device) => fits(memory, device));
  };
}

/** Layers of stages that hold the same ones, those of their first chunks first: they are held longest. */
export function sharedLayers(
  layout: Layout,
  count: number,
): { readonly stages: readonly number[]; readonly own: readonly number[] }[] {
  const ranges = virtualLayers(layout, count);
  const found = new Map<string, { readonly stages: number[]; readonly own: readonly number[] }>();
  for (let stage = 0; stage < layout.pp; stage++) {
    const places = Array.from({ length: chunksOf(layout) }, (_, chunk) => placeOf(layout, stage, chunk));
    const key = [...places].sort((a, b) => a - b).join();
    const own = places.flatMap((place) => {
      const [first, end] = ranges[place]!;
      return Array.from({ length: end - first }, (_, i) => first + i);
    });
    const shared = found.get(key) ?? { stages: [], own };
    shared.stages.push(stage);
    found.set(key, shared);
  }
  return [...found.values()];
}

function computingAnew(
  scenario: TrainingScenario,
  policy: Recompute['policy'],
  layers: readonly number[],
): TrainingScenario {
  const recompute: Recompute = layers.length === 0 ? { policy: 'none' } : { policy, layers: rangesOf(layers) };
  return { ...scenario, layout: { ...scenario.layout, recompute } };
}

function rangesOf(layers: readonly number[]): [first: number, last: number][] {
  const ranges: [first: number, last: number][] = [];
  for (const layer of [...layers].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last?.[1] === layer - 1) last[1] = layer;
    else ranges.push([layer, layer]);
  }
  return ranges;
}

/** The least number from `from` to `most` that is enough, as all above it are, but maybe for `most`; undefined: none. */
export function fewest(most: number, from: number, isEnough: (count: number) => boolean): number | undefined {
  if (isEnough(from)) return from;
  if (from >= most) return undefined;
  if (from + 1 === most || !isEnough(most - 1)) return isEnough(most) ? most : undefined;
  let [short, enough] = [from, most - 1];
  // In ever longer steps, as it is mostly near; then by halves.
  for (let step = 1; short + step < enough; step *= 2) {
    if (isEnough(short + step)) enough = short + step;
    else short += step;
  }
  while (enough - short > 1) {
    const between = Math.floor((short + enough) / 2);
    if (isEnough(between)) enough = between;
    else short = between;
  }
  return enough;
}
