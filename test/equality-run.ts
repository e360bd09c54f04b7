// Trains on the ranks of a layout and has all that each of them held: see equality-rank.ts.
import { runWorld } from '../src/runtime/world.ts';
import type { WorldPool } from '../src/runtime/world-pool.ts';
import { talkOf } from '../src/step/talk.ts';
import type { EqualityJob, EqualityResult } from './equality-rank.ts';

export async function runEquality(job: EqualityJob, pool: WorldPool): Promise<EqualityResult[]> {
  const talk = talkOf(job.settings);
  return (await runWorld({
    plan: { ...talk, timeoutSeconds: 60 },
    rankModule: new URL('./equality-rank.ts', import.meta.url),
    jobs: Array.from({ length: talk.size }, () => job),
    pool,
  })) as EqualityResult[];
}
