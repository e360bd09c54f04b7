// Ranks of a stage do alike work: their programs differ in the slices they take and in whom they talk to, not in shapes, so that the
// first rank of a stage stands for all of it.
import type { Layout } from '../mesh/layout.ts';
import { coordsOf, rankAt, worldSize } from '../mesh/mesh.ts';

/** What `compute` finds of one rank a stage, by stage. */
export const byStage = <T>(layout: Layout, compute: (rank: number) => T): T[] =>
  Array.from({ length: layout.pp }, (_, pp) => compute(rankAt(layout, { tp: 0, cp: 0, ep: 0, dp: 0, pp })));

/** The same, by rank. */
export function byRank<T>(layout: Layout, compute: (rank: number) => T): T[] {
  const stages = byStage(layout, compute);
  return Array.from({ length: worldSize(layout) }, (_, rank) => stages[coordsOf(layout, rank).pp]!);
}
