// A layout that is changed in one respect, with what has to change along: on the same devices, for the same batch.
import { FivefoldError } from '../../errors.ts';
import type { Layout } from '../../mesh/layout.ts';
import { type Axis, axes, replicasOf } from '../../mesh/mesh.ts';
import { printRecompute } from '../../mesh/recompute.ts';
import { checkFit } from '../../model/fit.ts';
import { zeroOf } from '../../state/placement.ts';
import type { TrainingScenario } from '../training/scenario.ts';
import { taskOfScenario } from './judged.ts';

export type Changes = Partial<
  Pick<Layout, 'tp' | 'cp' | 'ep' | 'pp' | 'sp' | 'zero' | 'recompute' | 'virtual' | 'schedule'>
> & { readonly microBatch?: number };

export type Variant = { readonly scenario: TrainingScenario } | { readonly changed: string; readonly problem: string };

/** Axes that give way to another that grows, the first that can. */
const giveWay = ['dp', 'pp', 'cp', 'ep', 'tp'] as const satisfies readonly Axis[];

/** Undefined: no axis is left that could give way. A change of a pipeline has stages as even as they go. */
export function variantOf(scenario: TrainingScenario, changes: Changes): Variant | undefined {
  const { config, cluster, seqLen } = scenario;
  const { microBatch = scenario.microBatch, ...ofLayout } = changes;
  const filled = fill({ ...scenario.layout, ...ofLayout }, cluster.devices, ofLayout);
  if (!filled) return undefined;
  const layout = settled(filled, config.layers, scenario.layout);
  const { globalBatch, ...given } = taskOfScenario(scenario);
  try {
    // Of fewer sequences a replica there are fewer in a microbatch.
    const share = globalBatch / replicasOf(layout);
    const most = changes.microBatch === undefined && Number.isInteger(share) ? Math.min(microBatch, share) : microBatch;
    const microbatches = checkFit(config, layout, { seqLen, globalBatch, microBatch: most });
    return { scenario: { ...given, layout, microBatch: most, microbatches } };
  } catch (error) {
    if (!(error instanceof FivefoldError)) throw error;
    // Messages end with what to do about it.
    const problem = error.message.slice(0, error.message.lastIndexOf('; '));
    return { changed: changesOf(scenario, { layout, microBatch }), problem };
  }
}

/** Of as many devices: another axis gives what one has more, dp takes what is left. */
function fill(layout: Layout, devices: number, changed: Changes): Layout | undefined {
  for (const axis of giveWay) {
    if (axis in changed) continue;
    const others = giveWay.reduce((product, each) => (each === axis ? product : product * layout[each]), 1);
    if (devices % others === 0) return { ...layout, [axis]: devices / others };
  }
  return undefined;
}

/** Settings that go with the sizes of axes. */
function settled(layout: Layout, layers: number, before: Layout): Layout {
  const { tp, cp, pp } = layout;
  const virtual = pp === 1 ? 1 : Math.max(1, Math.min(layout.virtual, Math.floor(layers / pp)));
  const { stages, ...rest } = layout;
  const isAsBefore = pp === before.pp && virtual === before.virtual;
  return {
    ...rest,
    ...(stages && isAsBefore ? { stages } : {}),
    virtual,
    sp: tp > 1 && (layout.sp || before.tp === 1),
    ...ordered(layout, virtual),
    cpMode: cp > 1 && before.cp === 1 ? 'gather' : cp > 1 ? layout.cpMode : 'ring',
  };
}

/** In an order that so many stages and chunks have, and with what is shared out in it. */
function ordered(layout: Layout, virtual: number): Pick<Layout, 'schedule' | 'zero'> {
  const { pp } = layout;
  const isPossible =
    pp > 1 && (virtual === 1 || layout.schedule === 'gpipe') && (pp % 2 === 0 || layout.schedule !== 'dualpipe');
  const schedule = isPossible ? layout.schedule : '1f1b';
  return { schedule, zero: zeroOf({ ...layout, schedule }) };
}

type Changed = Pick<TrainingScenario, 'layout' | 'microBatch'>;

/** The settings that are others, e.g. `tp=4, dp=8`; what an axis of one rank has no use for is none. */
export function changesOf(from: Changed, to: Changed): string {
  const [before, after] = [settingsOf(from), settingsOf(to)];
  return Object.entries(after)
    .filter(([name, { value, of }]) => before[name]!.value !== value && (of === undefined || to.layout[of] > 1))
    .map(([name, { value }]) => `${name}${value}`)
    .join(', ');
}

/** As they are told after their names, and the axis that they are of. */
function settingsOf({ layout, microBatch }: Changed): Record<string, { readonly value: string; readonly of?: Axis }> {
  const { sp, cpMode, zero, recompute, schedule, virtual } = layout;
  return {
    ...Object.fromEntries(axes.map((axis) => [axis, { value: `=${layout[axis]}` }])),
    cpMode: { value: `=${cpMode}`, of: 'cp' },
    sp: { value: sp ? ' on' : ' off', of: 'tp' },
    zero: { value: `=${zero}` },
    recompute: { value: `=${printRecompute(recompute)}` },
    schedule: { value: `=${schedule}`, of: 'pp' },
    virtual: { value: `=${virtual}`, of: 'pp' },
    microbatches: { value: ` of ${microBatch}` },
  };
}
