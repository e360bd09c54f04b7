// The five-axis grid of ranks: coordinates of a rank, and the group of ranks along an axis.

/** The mesh axes, fastest-varying first: neighbouring ranks differ in tp. */
export const axes = ['tp', 'cp', 'ep', 'dp', 'pp'] as const;
export type Axis = (typeof axes)[number];

/** The size of every axis; the world is their product. */
export type Mesh = Readonly<Record<Axis, number>>;
/** A rank's place on every axis. */
export type Coords = Readonly<Record<Axis, number>>;

/** What a group goes along: an axis, several of them (`tp+dp`), or all ranks. */
export type GroupAxis = Axis | 'world' | `${Axis}+${string}`;

/** The ranks that talk to each other along an axis or a set of axes, in the mesh's order. */
export interface Group {
  readonly axis: GroupAxis;
  readonly ranks: readonly number[];
}

/** Messages from one rank to another, and how many may be under way, of how many bytes together, without any send waiting. */
export interface Channel {
  readonly from: number;
  readonly to: number;
  readonly capacityBytes: number;
  readonly messages: number;
}

/** The same for groups of the same ranks along the same axis. */
export const groupKey = ({ axis, ranks }: Group): string => `${axis}:${ranks.join()}`;

export const worldSize = (mesh: Mesh): number => axes.reduce((product, axis) => product * mesh[axis], 1);

/** Ranks along these see different data. */
export const dataAxes = ['cp', 'ep', 'dp'] as const satisfies readonly Axis[];

/** Along these ranks take different sequences. */
export const replicaAxes = ['ep', 'dp'] as const satisfies readonly Axis[];
type Replicas = Pick<Mesh, (typeof replicaAxes)[number]>;

/** Shares that a step's sequences are dealt out in. */
export const replicasOf = ({ ep, dp }: Replicas): number => ep * dp;

/** Which of them is a rank's. */
export const replicaOf = ({ ep }: Replicas, coords: Replicas): number => coords.ep + ep * coords.dp;

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

const inOrder = (along: Axis | readonly Axis[]): Axis[] =>
  axes.filter((axis) => (typeof along === 'string' ? axis === along : along.includes(axis)));

/** What a group along these is called. */
export function groupAxis(along: readonly Axis[]): GroupAxis {
  const [first, ...rest] = inOrder(along) as [Axis, ...Axis[]];
  return rest.length === 0 ? first : `${first}+${rest.join('+')}`;
}

/** The ranks that share all of `rank`'s coordinates but those on the axes: one, or several with more than one rank each. */
export function groupOf(mesh: Mesh, rank: number, along: Axis | readonly Axis[]): Group {
  const set = inOrder(along);
  let members = [coordsOf(mesh, rank)];
  for (const axis of set.toReversed())
    members = members.flatMap((coords) => Array.from({ length: mesh[axis] }, (_, i) => ({ ...coords, [axis]: i })));
  return { axis: groupAxis(set), ranks: members.map((coords) => rankAt(mesh, coords)) };
}

/** The group of every rank of a mesh, or of so many ranks. */
export function worldGroup(of: Mesh | number): Group {
  const size = typeof of === 'number' ? of : worldSize(of);
  return { axis: 'world', ranks: Array.from({ length: size }, (_, i) => i) };
}

/** Every group along an axis or a set of axes of more than one rank, each once. */
export function groupsOf(mesh: Mesh): Group[] {
  const sets = axes
    .filter((axis) => mesh[axis] > 1)
    .reduce<Axis[][]>((sets, axis) => sets.concat(sets.map((set) => [...set, axis])), [[]]);
  const ranks = Array.from({ length: worldSize(mesh) }, (_, rank) => rank);
  const isFirst = (rank: number, set: readonly Axis[]): boolean =>
    set.every((axis) => coordsOf(mesh, rank)[axis] === 0);
  return sets
    .filter((set) => set.length > 0)
    .flatMap((set) => ranks.filter((rank) => isFirst(rank, set)).map((rank) => groupOf(mesh, rank, set)));
}
