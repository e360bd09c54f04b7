// Ranks of a stage do alike work: their programs differ in the slices they take and in whom they talk to, not in shapes, so that the
// first rank of a stage stands for all of it. Over cp they hold other tokens, which see more or fewer others: as many in time, but not
// to the last FLOP.
import type { Layout } from '../mesh/layout.ts';
import { coordsOf, rankAt, worldSize } from '../mesh/mesh.ts';

/** The first rank of every stage. */
export const stageRanks = (layout: Layout): number[] =>
  Array.from({ length: layout.pp }, (_, pp) => rankAt(layout, { tp: 0, cp: 0, ep: 0, dp: 0, pp }));

/** What `compute` finds of one rank a stage, by stage. */
export const byStage = <T>(layout: Layout, compute: (rank: number) => T): T[] => stageRanks(layout).map(compute);

/** What `compute` finds, by rank: once for the ranks of a stage that hold the same tokens of a sequence. */
export function byRank<T>(layout: Layout, compute: (rank: number) => T): T[] {
  const known = new Map<number, T>();
  return Array.from({ length: worldSize(layout) }, (_, rank) => {
    const { cp, pp } = coordsOf(layout, rank);
    const first = rankAt(layout, { tp: 0, cp, ep: 0, dp: 0, pp });
    if (!known.has(first)) known.set(first, compute(first));
    return known.get(first)!;
  });
}
