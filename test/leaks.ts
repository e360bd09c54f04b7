// Runs worlds that fail, of every kind there is, and measures what the process holds after the fifth and after the last.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parseLayout } from '../src/mesh/layout.ts';
import { parseModelConfig } from '../src/model/families.ts';
import { runWorld } from '../src/runtime/world.ts';
import { createPool } from '../src/runtime/world-pool.ts';
import type { StepSettings } from '../src/step/settings.ts';
import { talkOf } from '../src/step/talk.ts';
import { optimizerDefaults } from '../src/train/optimizer.ts';
import type { Death, DyingJob } from './dying-rank.ts';

/** How a world ends: as one of its ranks does, by a signal while it trains, or by one while its workers still import. */
export const endings = [
  'none',
  'throw',
  'exit',
  'stall',
  'heap',
  'mismatch',
  'refused',
  'abort',
  'abortImport',
] as const;
export type Ending = (typeof endings)[number];

export interface Held {
  readonly residentBytes: number;
  readonly descriptors: number;
  readonly threads: number;
}

setFlagsFromString('--expose_gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** What this process holds once the garbage is collected. */
export async function held(): Promise<Held> {
  for (let i = 0; i < 3; i++) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    residentBytes: process.memoryUsage.rss(),
    descriptors: readdirSync('/proc/self/fd').length,
    threads: readdirSync('/proc/self/task').length,
  };
}

const config = parseModelConfig(
  {
    model_type: 'llama',
    vocab_size: 2000,
    hidden_size: 256,
    num_hidden_layers: 4,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    intermediate_size: 512,
    hidden_act: 'silu',
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    max_position_embeddings: 256,
    initializer_range: 0.02,
    tie_word_embeddings: false,
  },
  'leaks',
);

export interface Worlds {
  readonly count: number;
  /** Of world i. */
  readonly endingOf: (index: number) => Ending;
  readonly onWorld?: (index: number, ending: Ending, held: () => Promise<Held>) => Promise<void>;
}

export async function failWorlds({ count, endingOf, onWorld }: Worlds): Promise<{ early: Held; late: Held }> {
  const root = mkdtempSync(join(tmpdir(), 'fivefold-leaks-'));
  const tokenFile = join(root, 'tokens.i32.bin');
  writeFileSync(
    tokenFile,
    Int32Array.from({ length: 4000 }, (_, i) => (Math.imul(i + 1, 0x9e3779b1) >>> 9) % 2000),
  );
  const layout = parseLayout('pp=2');
  const settings: StepSettings = { config, layout, seqLen: 128, microBatch: 2, microbatches: 2, precision: 'f32' };
  const talk = talkOf(settings);
  let early: Held | undefined;
  for (let index = 0; index < count; index++) {
    const ending = endingOf(index);
    const control = new AbortController();
    const death: Death = ending === 'abort' || ending === 'abortImport' ? 'none' : ending;
    const job: DyingJob = {
      settings,
      optimizer: optimizerDefaults(1e-3, 1000),
      seed: 1,
      sources: [{ path: tokenFile }],
      heldOut: 0,
      measuresRate: false,
      stepsDone: 0,
      lastStep: ending === 'none' ? 2 : 1000,
      resume: false,
      trace: false,
      dying: 1,
      death,
    };
    const pool = createPool({ resourceLimits: { maxOldGenerationSizeMb: 96 } });
    if (ending === 'abortImport') setTimeout(() => control.abort(new Error('no')), 50 + 40 * (index % 10));
    const outcome = await runWorld({
      plan: { ...talk, timeoutSeconds: 3 },
      rankModule: new URL('./dying-rank.ts', import.meta.url),
      jobs: Array.from({ length: talk.size }, () => job),
      pool,
      signal: control.signal,
      onReport(_, message) {
        if (ending === 'abort' && (message as { kind: string; step?: number }).step === 2)
          control.abort(new Error('no'));
      },
    }).then(
      () => 'fine',
      (error: unknown) => String(error),
    );
    if ((outcome === 'fine') !== (ending === 'none'))
      throw new Error(`a world that should end by ${ending}: ${outcome}`);
    await pool.close();
    if (index === 4) early = await held();
    await onWorld?.(index, ending, held);
  }
  rmSync(root, { recursive: true });
  return { early: early ?? (await held()), late: await held() };
}
