// Who a run's ranks talk to: every group, and every channel with the bytes that may be under way in it.

import type { Layout } from '../mesh/layout.ts';
import { axes, coordsOf, type Group, groupKey, groupOf, rankAt, worldGroup, worldSize } from '../mesh/mesh.ts';
import { residualShape } from '../model/parts.ts';
import { elements } from '../program/program.ts';
import { schedules } from '../schedule/schedules.ts';
import { verify } from '../schedule/verify.ts';
import type { StepSettings } from './settings.ts';
import { tiedGroup } from './stages.ts';

export interface Talk {
  readonly size: number;
  readonly groups: readonly Group[];
  readonly channels: readonly { readonly from: number; readonly to: number; readonly capacityBytes: number }[];
}

/** Every group of the layout's axes and the world, each once, groups of one rank left out. */
export function groupsOf(layout: Layout): Group[] {
  const groups = new Map<string, Group>();
  const size = worldSize(layout);
  const all = [worldGroup(layout)];
  for (let rank = 0; rank < size; rank++) for (const axis of axes) all.push(groupOf(layout, rank, axis));
  for (const group of all) if (group.ranks.length > 1) groups.set(groupKey(group), group);
  return [...groups.values()];
}

/** The pairs of ranks that hold a tied embedding and head on different stages; not those that are a whole group already. */
function tiedGroups({ config, layout }: StepSettings): Group[] {
  if (!config.tiedHead || layout.pp <= 2) return [];
  const pairs = Array.from({ length: worldSize(layout) }, (_, rank) => tiedGroup(layout, rank));
  return [...new Map(pairs.map((pair) => [groupKey(pair), pair])).values()];
}

/** Proves the schedule first (SCHEDULE_INVALID). Channels hold as many messages as the proof says can be under way. */
export function talkOf(settings: StepSettings): Talk {
  const { config, layout, precision, microBatch, seqLen, microbatches } = settings;
  const size = worldSize(layout);
  const shape = residualShape({ config, layout, coords: coordsOf(layout, 0), batch: microBatch, seqLen, lossScale: 1 });
  const messageBytes = elements(shape) * (precision === 'f64' ? 8 : 4);
  const proof = verify(schedules[layout.schedule](layout.pp, microbatches));
  const channels = Array.from({ length: size }, (_, rank) => coordsOf(layout, rank)).flatMap((coords, rank) =>
    proof.peakInFlight
      .filter(({ from }) => from === coords.pp)
      .map(({ to, messages }) => ({
        from: rank,
        to: rankAt(layout, { ...coords, pp: to }),
        capacityBytes: messages * messageBytes,
      })),
  );
  return { size, groups: [...groupsOf(layout), ...tiedGroups(settings)], channels };
}
