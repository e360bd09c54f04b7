// What the speeds of ranks change of a step: how many layers the stages have, and how many microbatches the replicas.
import { type Layout, virtualLayers } from '../mesh/layout.ts';
import { zeroOf } from '../state/placement.ts';
import type { StepSettings } from '../step/settings.ts';
import { slowestAlong, slowestAt } from '../step/speeds.ts';
import { type StageWork, stageSizes } from './stage-sizes.ts';
import { stageWork } from './stage-work.ts';

export type Uneven = StepSettings & Required<Pick<StepSettings, 'speeds'>>;

/** The layout with stages by the speed of the slowest rank of each, unless it says how long they are. */
export function stagesBySpeed(settings: Uneven): Layout {
  const { layout } = settings;
  if (layout.pp === 1 || layout.stages) return layout;
  const speeds = slowestAlong(settings, 'pp');
  const sizes = stageSizes(
    stageWork(settings),
    Array.from({ length: layout.pp * layout.virtual }, (_, virtual) => speeds[virtual % layout.pp]!),
  );
  const even = virtualLayers(layout, settings.config.layers).map(([first, end]) => end - first);
  return sizes.every((size, virtual) => size === even[virtual]) ? layout : { ...layout, stages: sizes };
}

/** Why replicas do not differ in their number of microbatches; undefined: they may. */
export function sharesProblem({ layout, outer }: Pick<StepSettings, 'layout' | 'outer'>): string | undefined {
  if (outer) return 'all replicas do as many microbatches: the mean of what they learn is of replicas alike';
  if (zeroOf(layout) >= 2)
    return `all replicas do as many microbatches: zero=${layout.zero} sums gradients over them in each`;
  if (layout.ep > 1) return 'all replicas do as many microbatches: ranks of ep exchange tokens in each';
  if (layout.schedule === 'file') return 'all replicas do as many microbatches: those of the file with their schedule';
  return undefined;
}

/** Whether replicas have microbatches by their speeds. */
export const hasShares = (settings: StepSettings): settings is Uneven =>
  settings.speeds !== undefined && settings.layout.dp > 1 && sharesProblem(settings) === undefined;

/** What each replica takes for a microbatch, relative to the others: as long as the stage that takes longest. */
export function replicaTimes(settings: Uneven): number[] {
  const { layout } = settings;
  const stages = flopsOfStages(stageWork(settings), layout);
  return Array.from({ length: layout.dp }, (_, dp) =>
    Math.max(...stages.map((flops, pp) => flops / slowestAt(settings, { dp, pp }))),
  );
}

/** FLOPs of a microbatch by stage, of all its chunks. */
function flopsOfStages({ layers, head }: StageWork, layout: Layout): number[] {
  const stages = Array.from({ length: layout.pp }, () => 0);
  for (const [virtual, [first, end]] of virtualLayers(layout, layers.length).entries())
    stages[virtual % layout.pp]! += layers.slice(first, end).reduce((sum, flops) => sum + flops, 0);
  stages[layout.pp - 1]! += head;
  return stages;
}
