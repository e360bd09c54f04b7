// How the ranks of a group lie over a cluster's tiers, by arithmetic: ranks are placed in the mesh's order, tp fastest.
//
// tp=4, dp=8 in nodes of 8: a tp group is in one node, [4, 1]; a dp group has two ranks in each of four nodes, [2, 4].
import { type Axis, axes, type GroupAxis, type Mesh } from '../../mesh/mesh.ts';
import type { Cluster } from './cluster.ts';

/** The axes that a group goes along, by its name: `tp+dp`, `world`. */
export function axesAlong(along: GroupAxis): readonly Axis[] {
  const found = known.get(along);
  if (found) return found;
  const names = along.split('+');
  const made = along === 'world' ? axes : axes.filter((axis) => names.includes(axis));
  known.set(along, made);
  return made;
}
const known = new Map<GroupAxis, readonly Axis[]>();

/**
 * Ranks of a group by tier, innermost first, as GroupTalk has them: their product is the group's size. Where groups lie in different ways (tp=3 in
 * nodes of 8) it is a way in which all of them lie: so many that follow one another are in one node of every group.
 */
export function groupSpread(mesh: Mesh, along: GroupAxis, cluster: Pick<Cluster, 'tiers'>): readonly number[] {
  const among = axesAlong(along);
  const size = among.reduce((product, axis) => product * mesh[axis], 1);
  const { tiers } = cluster;
  // The last tier joins all there are.
  const within = tiers.map(({ devices }, i) => (i === tiers.length - 1 ? size : ranksWithin(mesh, among, devices)));
  return within.map((ranks, i) => ranks / (within[i - 1] ?? 1));
}

/** Ranks of a group that are sure to be in one aligned block of so many devices. */
function ranksWithin(mesh: Mesh, among: readonly Axis[], devices: number): number {
  let ranks = 1;
  let left = devices;
  for (const axis of axes) {
    const inBlock = greatestDivisor(mesh[axis], left);
    if (among.includes(axis)) ranks *= inBlock;
    // Only what is in the block as a whole lets the next axis begin within it.
    left = inBlock === mesh[axis] ? left / inBlock : 1;
    if (left === 1) break;
  }
  return ranks;
}

function greatestDivisor(a: number, b: number): number {
  while (b > 0) [a, b] = [b, a % b];
  return a;
}
