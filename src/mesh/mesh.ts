// The five-axis grid of ranks: coordinates of a rank, and the group of ranks along an axis.

/** The mesh axes, fastest-varying first: neighbouring ranks differ in tp. */
export const axes = ['tp', 'cp', 'ep', 'dp', 'pp'] as const;
export type Axis = (typeof axes)[number];

/** The size of every axis; the world is their product. */
export type Mesh = Readonly<Record<Axis, number>>;
/** A rank's place on every axis. */
export type Coords = Readonly<Record<Axis, number>>;

/** The ranks that talk to each other along an axis, in the axis's order. */
export interface Group {
  readonly axis: Axis | 'world';
  readonly ranks: readonly number[];
}

/** The same for groups of the same ranks along the same axis. */
export const groupKey = ({ axis, ranks }: Group): string => `${axis}:${ranks.join()}`;

export const worldSize = (mesh: Mesh): number => axes.reduce((product, axis) => product * mesh[axis], 1);

export function coordsOf(mesh: Mesh, rank: number): Coords {
  const coords: Record<Axis, number> = { tp: 0, cp: 0, ep: 0, dp: 0, pp: 0 };
  let rest = rank;
  for (const axis of axes) {
    coords[axis] = rest % mesh[axis];
    rest = Math.floor(rest / mesh[axis]);
  }
  return coords;
}

export function rankAt(mesh: Mesh, coords: Coords): number {
  let rank = 0;
  let stride = 1;
  for (const axis of axes) {
    rank += coords[axis] * stride;
    stride *= mesh[axis];
  }
  return rank;
}

/** The ranks that share all of `rank`'s coordinates but the one on `axis`. */
export function groupOf(mesh: Mesh, rank: number, axis: Axis): Group {
  const coords = coordsOf(mesh, rank);
  const ranks = Array.from({ length: mesh[axis] }, (_, i) => rankAt(mesh, { ...coords, [axis]: i }));
  return { axis, ranks };
}

/** The group of every rank. */
export function worldGroup(mesh: Mesh): Group {
  return { axis: 'world', ranks: Array.from({ length: worldSize(mesh) }, (_, i) => i) };
}
