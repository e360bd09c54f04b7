// How long each rank of a world has made no progress, as whoever watches it from outside sees it.
import { countedBetweenLooks } from './transport/threads/progress.ts';
import { rankState } from './transport/threads/status.ts';
import { progressOf, type ThreadsShared } from './transport/threads/world-state.ts';

export interface RankClocks {
  /** Sets a rank's clock to zero. */
  readonly start: (rank: number) => void;
  /** Seconds since its start. */
  readonly sinceStart: (rank: number) => number;
  /** Seconds since a rank that runs last did anything; a rank inside a call has the call's own time-out. */
  readonly stillFor: (rank: number) => number;
  /** To be called several times a second: what a stop of the whole process took from the ranks too is not held against them. */
  readonly look: () => void;
}

export function createRankClocks(shared: ThreadsShared, size: number): RankClocks {
  const heartbeats = new Array<number>(size).fill(0);
  /** When progress was last seen, in milliseconds. */
  const movedAt = new Array<number>(size).fill(performance.now());
  let lookedAt = performance.now();
  const start = (rank: number): void => {
    movedAt[rank] = performance.now();
  };
  const sinceStart = (rank: number): number => (performance.now() - movedAt[rank]!) / 1000;
  return {
    start,
    sinceStart,
    stillFor(rank) {
      const { heartbeat, state } = progressOf(shared, rank);
      if (state !== rankState.computing || heartbeat !== heartbeats[rank]) {
        heartbeats[rank] = heartbeat;
        start(rank);
      }
      return sinceStart(rank);
    },
    look() {
      const now = performance.now();
      const passed = now - lookedAt;
      lookedAt = now;
      for (const rank of movedAt.keys()) movedAt[rank]! += passed - countedBetweenLooks(passed);
    },
  };
}
