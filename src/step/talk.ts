// Who a run's ranks talk to: every group, and every channel with the bytes that may be under way in it.
import { axes, coordsOf, type Group, groupOf, rankAt, worldGroup, worldSize } from '../mesh/mesh.ts';
import { residualShape } from '../model/parts.ts';
import { elements } from '../program/value.ts';
import { schedules } from '../schedule/schedules.ts';
import { verify } from '../schedule/verify.ts';
import { type StepSettings, tiedGroup } from './training-step.ts';

export interface Talk {
  readonly size: number;
  readonly groups: readonly Group[];
  readonly channels: readonly { readonly from: number; readonly to: number; readonly capacityBytes: number }[];
}

/** Proves the schedule first (SCHEDULE_INVALID). Channels hold as many messages as the proof says can be under way. */
export function talkOf(settings: StepSettings): Talk {
  const { config, layout, precision, microBatch, seqLen, microbatches } = settings;
  const size = worldSize(layout);
  const groups = new Map<string, Group>();
  const addGroup = (group: Group) => {
    if (group.ranks.length > 1) groups.set(`${group.axis}:${group.ranks.join()}`, group);
  };
  addGroup(worldGroup(layout));
  for (let rank = 0; rank < size; rank++) {
    for (const axis of axes) addGroup(groupOf(layout, rank, axis));
    if (layout.pp > 1 && config.tiedHead) addGroup(tiedGroup(layout, rank));
  }

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
  return { size, groups: [...groups.values()], channels };
}
