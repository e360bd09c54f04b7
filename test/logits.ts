// Logits of all tokens of some windows, by the weights of a checkpoint, on any layout.
import { expect } from 'vitest';
import { runWorld } from '../src/runtime/world.ts';
import type { WorldPool } from '../src/runtime/world-pool.ts';
import type { StepSettings } from '../src/step/settings.ts';
import { forwardTalkOf } from '../src/step/talk.ts';
import type { LogitsJob } from './logits-rank.ts';

type Wanted = Omit<StepSettings, 'microBatch' | 'microbatches'> & {
  /** A checkpoint directory. */
  readonly weights: string;
  /** [windows, seqLen], flat. */
  readonly ids: readonly number[];
};

/** [windows, seqLen, vocabulary]; a window is a microbatch. All ranks that have logits have the same. */
export async function logitsOf({ weights, ids, ...given }: Wanted, pool: WorldPool): Promise<Float64Array> {
  const settings: StepSettings = { ...given, microBatch: 1, microbatches: ids.length / given.seqLen };
  const talk = forwardTalkOf(settings);
  const job: LogitsJob = { settings, weights, ids };
  const results = (await runWorld({
    plan: { ...talk, timeoutSeconds: 60 },
    rankModule: new URL('./logits-rank.ts', import.meta.url),
    jobs: Array.from({ length: talk.size }, () => job),
    pool,
  })) as (Float64Array | undefined)[];
  const found = results.filter((logits) => logits !== undefined);
  expect(found.length).toBe(settings.layout.tp);
  const [logits] = found;
  for (const other of found) expect(other).toEqual(logits);
  const padded = logits!.length / ids.length;
  return logits!.filter((_, i) => i % padded < settings.config.vocabSize);
}
