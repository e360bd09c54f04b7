// Who a run's ranks talk to: every group, and every channel with the bytes that may be under way in it.

import {
  axes,
  type Channel,
  coordsOf,
  dataAxes,
  type Group,
  groupKey,
  groupOf,
  rankAt,
  replicaAxes,
  replicaOf,
  worldGroup,
  worldSize,
} from '../mesh/mesh.ts';
import { residualShape } from '../model/parts.ts';
import { endsGroup } from '../model/stages.ts';
import { elementBytes, elements } from '../program/program.ts';
import { typedAxes } from '../program/types.ts';
import type { Schedule } from '../schedule/schedule.ts';
import { forwardScheduleOf, scheduleOf } from '../schedule/schedules.ts';
import { verify } from '../schedule/verify.ts';
import { bucketsOf } from '../state/buckets.ts';
import { sharedOver } from '../state/placement.ts';
import { once } from './once.ts';
import { alikeReplicas, microbatchesOn, ownMesh, type StepSettings, traceSettings } from './settings.ts';

export interface Talk {
  readonly size: number;
  readonly groups: readonly Group[];
  readonly channels: readonly Channel[];
}

/** The sets of axes that a step's collectives go over: each axis, those over which gradients are summed together, and all of data. */
function setsOf(settings: StepSettings): (readonly (typeof axes)[number][])[] {
  const { config } = settings;
  const { layout } = ownMesh(settings, coordsOf(settings.layout, 0));
  const sets: (readonly (typeof axes)[number][])[] = axes.map((axis) => [axis]);
  for (let stage = 0; stage < layout.pp; stage++)
    for (const { placement, types } of bucketsOf(config, layout, stage))
      sets.push(
        typedAxes.filter(
          (axis) => layout[axis] > 1 && placement.gradient[axis] === 'P' && placement.finished[axis] === 'I',
        ),
        sharedOver(placement.moments, types).filter((axis) => layout[axis] > 1),
      );
  // Of the loss, and of what its tokens count, or its pairs, which ranks of cp have alike.
  for (const over of [dataAxes, replicaAxes]) sets.push(over.filter((axis) => layout[axis] > 1));
  // The norm is summed over all axes on which some gradient varies.
  for (let stage = 0; stage < layout.pp; stage++) {
    const buckets = bucketsOf(config, layout, stage);
    sets.push(
      typedAxes.filter(
        (axis) => layout[axis] > 1 && buckets.some(({ placement }) => placement.finished[axis] === 'V0'),
      ),
    );
  }
  return sets.filter((set) => set.length > 0);
}

/** Every group of the layout's axes and of the sets that a step needs, and the world, each once, groups of one rank left out. */
function groupsOf(settings: StepSettings): Group[] {
  const { config, layout } = settings;
  const size = worldSize(layout);
  const sets = new Map(setsOf(settings).map((set) => [set.join(), set]));
  const groups = new Map<string, Group>();
  const ranks = Array.from({ length: size }, (_, rank) => rank);
  const all = [
    worldGroup(layout),
    ...ranks.flatMap((rank) => [...sets.values()].map((set) => groupOf(layout, rank, set))),
    ...(config.tiedHead && layout.pp > 1 ? ranks.map((rank) => endsGroup(layout, rank)) : []),
  ];
  for (const group of all) if (group.ranks.length > 1) groups.set(groupKey(group), group);
  return [...groups.values()];
}

/** Proves the schedule first (SCHEDULE_INVALID). Channels hold as many messages as the proof says can be under way. */
export const talkOf = (settings: StepSettings): Talk =>
  talkBy(settings, (microbatches) => scheduleOf(settings.layout, microbatches));

/** Of forward passes alone. */
export const forwardTalkOf = (settings: StepSettings): Talk =>
  talkBy(alikeReplicas(settings), (microbatches) => forwardScheduleOf(settings.layout, microbatches));

/** `scheduleFor`: so many microbatches. */
function talkBy(settings: StepSettings, scheduleFor: (microbatches: number) => Schedule): Talk {
  const { layout, precision } = settings;
  const size = worldSize(layout);
  const shape = residualShape(traceSettings(settings, coordsOf(layout, 0)));
  const messageBytes = elements(shape) * elementBytes('float', precision);
  const proofFor = once((microbatches: number) => verify(scheduleFor(microbatches)));
  const channels = Array.from({ length: size }, (_, rank) => coordsOf(layout, rank)).flatMap((coords, rank) =>
    proofFor(microbatchesOn(settings, replicaOf(layout, coords)))
      .peakInFlight.filter(({ from }) => from === coords.pp)
      .map(({ to, messages }) => ({
        from: rank,
        to: rankAt(layout, { ...coords, pp: to }),
        capacityBytes: messages * messageBytes,
        messages,
      })),
  );
  return { size, groups: groupsOf(settings), channels };
}
