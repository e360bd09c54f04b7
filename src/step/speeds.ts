// How fast ranks are that work together: as fast as the slowest of them, for which the others wait.
import { type Axis, type Coords, coordsOf, replicasOf } from '../mesh/mesh.ts';
import type { StepSettings } from './settings.ts';

type Uneven = Pick<StepSettings, 'layout' | 'speeds'>;

/** The speed of the slowest of the ranks at these coordinates, whatever their others are. */
export function slowestAt({ layout, speeds }: Uneven, at: Partial<Coords>): number {
  if (!speeds) return 1;
  const isThere = (coords: Coords) => Object.entries(at).every(([axis, index]) => coords[axis as Axis] === index);
  return Math.min(...speeds.filter((_, rank) => isThere(coordsOf(layout, rank))));
}

/** The same for every replica. */
export const slowestOfReplicas = (settings: Uneven): number[] =>
  Array.from({ length: replicasOf(settings.layout) }, (_, replica) => {
    const { ep } = settings.layout;
    return slowestAt(settings, { ep: replica % ep, dp: Math.floor(replica / ep) });
  });

/** The same for every place along an axis. */
export const slowestAlong = (settings: Uneven, axis: Axis): number[] =>
  Array.from({ length: settings.layout[axis] }, (_, index) => slowestAt(settings, { [axis]: index }));
