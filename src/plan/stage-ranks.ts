// Ranks of a stage do alike work: their programs differ in the slices they take and in whom they talk to, not in shapes, so that the
// first rank of a stage stands for all of it; of replicas with other numbers of microbatches, the first with each. Over cp they hold other
// tokens, which see more or fewer others: as many in time, but not to the last FLOP.
import type { Layout } from '../mesh/layout.ts';
import { type Coords, coordsOf, rankAt, worldSize } from '../mesh/mesh.ts';
import { microbatchesOn, type StepSettings } from '../step/settings.ts';

type Alike = Pick<StepSettings, 'layout' | 'microbatches' | 'shares'>;

/** The first rank of every stage. */
export const stageRanks = (layout: Layout): number[] =>
  Array.from({ length: layout.pp }, (_, pp) => rankAt(layout, { ...origin, pp }));

/** The first replica with as many microbatches. */
const firstLike = (settings: Alike, dp: number): number => {
  const wanted = microbatchesOn(settings, dp);
  return (
    Array.from({ length: dp }, (_, other) => other).find((other) => microbatchesOn(settings, other) === wanted) ?? dp
  );
};

/** What stands for some ranks of a stage, and how many they are. */
export interface RankClass {
  readonly rank: number;
  readonly ranks: number;
}

/** All ranks, by stage: of its replicas with each number of microbatches the first rank. */
export function rankClasses(settings: Alike): RankClass[] {
  const { layout } = settings;
  const perReplica = worldSize(layout) / layout.pp / layout.dp;
  const replicas = new Map(settings.shares ? [] : [[0, layout.dp * perReplica]]);
  for (let dp = 0; settings.shares && dp < layout.dp; dp++) {
    const first = firstLike(settings, dp);
    replicas.set(first, (replicas.get(first) ?? 0) + perReplica);
  }
  return Array.from({ length: layout.pp }, (_, pp) =>
    [...replicas].map(([dp, ranks]) => ({ rank: rankAt(layout, { ...origin, dp, pp }), ranks })),
  ).flat();
}

const origin: Coords = { tp: 0, cp: 0, ep: 0, dp: 0, pp: 0 };

/** What `compute` finds, by rank: once for the ranks of a stage that hold the same tokens of a sequence, as many microbatches. */
export function byRank<T>(settings: Alike, compute: (rank: number) => T): T[] {
  const { layout } = settings;
  const known = new Map<number, T>();
  return Array.from({ length: worldSize(layout) }, (_, rank) => {
    const { cp, dp, pp } = coordsOf(layout, rank);
    const first = rankAt(layout, { ...origin, cp, dp: firstLike(settings, dp), pp });
    if (!known.has(first)) known.set(first, compute(first));
    return known.get(first)!;
  });
}
