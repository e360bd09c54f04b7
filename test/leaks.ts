// Runs worlds that fail, in every way there is, and says what the process holds after the fifth and after the last.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import koffi from 'koffi';
import { parseLayout } from '../src/mesh/layout.ts';
import { parseModelConfig } from '../src/model/families.ts';
import { runWorld } from '../src/runtime/world.ts';
import { createPool } from '../src/runtime/world-pool.ts';
import type { StepSettings } from '../src/step/settings.ts';
import { talkOf } from '../src/step/talk.ts';
import { createRandom } from './campaign/random.ts';
import type { Death, DyingJob } from './dying-rank.ts';
import { trainJob } from './train-job.ts';

/** How a world ends: as one of its ranks does, by a signal while it trains, or by one while its workers still import. */
export type Ending = Death | 'abort' | 'abortImport';
export const failures = [
  'throw',
  'exit',
  'stall',
  'heap',
  'mismatch',
  'circle',
  'refused',
  'abort',
  'abortImport',
] as const;

export interface Held {
  readonly residentBytes: number;
  /** In use on the C library's heap: what was made natively and not released, whatever the allocator keeps. NaN where it is not glibc. */
  readonly nativeBytes: number;
  readonly descriptors: number;
}

setFlagsFromString('--expose_gc');
const collectGarbage = runInNewContext('gc') as () => void;

const heapFields = 'arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost'.split(' ');

function nativeBytes(): number {
  const library = koffi.load(null);
  try {
    const struct = koffi.struct(Object.fromEntries(heapFields.map((name) => [name, 'size_t'])));
    const { uordblks, hblkhd } = library.func('mallinfo2', struct, [])() as Record<string, number>;
    return uordblks! + hblkhd!;
  } catch {
    return Number.NaN;
  }
}

/** What this Linux process holds once its garbage is collected. */
export async function held(): Promise<Held> {
  for (let i = 0; i < 3; i++) {
    collectGarbage();
    // Buffers are freed in the background.
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {
    residentBytes: process.memoryUsage.rss(),
    nativeBytes: nativeBytes(),
    descriptors: readdirSync('/proc/self/fd').length,
  };
}

/** A model whose two ranks hold about 50 MB of arrays and of ONNX Runtime's memory, or about 5. */
const configOf = (size: 'large' | 'small') =>
  parseModelConfig(
    {
      model_type: 'llama',
      vocab_size: 512,
      hidden_size: size === 'large' ? 256 : 64,
      num_hidden_layers: size === 'large' ? 4 : 2,
      num_attention_heads: 4,
      num_key_value_heads: 2,
      intermediate_size: size === 'large' ? 512 : 128,
      hidden_act: 'silu',
      rms_norm_eps: 1e-5,
      rope_theta: 10000,
      max_position_embeddings: 256,
      initializer_range: 0.02,
      tie_word_embeddings: false,
    },
    'leaks',
  );

/** Trains on two ranks until the world ends as it is told; returns what it threw. */
export async function runEnding(ending: Ending, size: 'large' | 'small' = 'large'): Promise<unknown> {
  const root = mkdtempSync(join(tmpdir(), 'fivefold-leaks-'));
  const tokenFile = join(root, 'tokens.i32.bin');
  writeFileSync(
    tokenFile,
    Int32Array.from({ length: 4000 }, (_, i) => (Math.imul(i + 1, 0x9e3779b1) >>> 9) % 500),
  );
  const layout = parseLayout('pp=2');
  const seqLen = size === 'large' ? 128 : 16;
  const settings: StepSettings = {
    config: configOf(size),
    layout,
    seqLen,
    microBatch: 2,
    microbatches: 2,
    precision: 'f32',
  };
  const talk = talkOf(settings);
  const job: DyingJob = {
    ...trainJob(settings, tokenFile, ending === 'none' ? 2 : 1000),
    dying: 1,
    death: ending === 'abort' || ending === 'abortImport' ? 'none' : ending,
  };
  const control = new AbortController();
  const stop = (): void => control.abort(new Error('stopped'));
  if (ending === 'abortImport') setTimeout(stop, 100);
  const pool = createPool(ending === 'heap' ? { resourceLimits: { maxOldGenerationSizeMb: 96 } } : {});
  try {
    await runWorld({
      plan: { ...talk, timeoutSeconds: ending === 'stall' || ending === 'circle' ? 2 : 60 },
      rankModule: new URL('./dying-rank.ts', import.meta.url),
      jobs: Array.from({ length: talk.size }, () => job),
      pool,
      signal: control.signal,
      onReport(_, message) {
        if (ending === 'abort' && (message as { kind: string }).kind === 'step') stop();
      },
    });
    return undefined;
  } catch (error) {
    return error;
  } finally {
    await pool.close();
    rmSync(root, { recursive: true });
  }
}

/** Runs `count` (at least 5) failing worlds of a seeded mix, one after the other; throws if one does not fail. */
export async function failWorlds({
  count,
  seed,
  endings = failures,
  onWorld,
}: {
  readonly count: number;
  readonly seed: number;
  readonly endings?: readonly Ending[];
  readonly onWorld?: (index: number, ending: Ending, error: unknown) => void;
}): Promise<{ readonly after5: Held; readonly afterAll: Held }> {
  const random = createRandom(seed);
  let after5: Held | undefined;
  for (let index = 0; index < count; index++) {
    const ending = random.pick(endings);
    const error = await runEnding(ending);
    if (error === undefined && ending !== 'none') throw new Error(`world ${index}, to end by ${ending}, did not fail`);
    onWorld?.(index, ending, error);
    if (index === 4) after5 = await held();
  }
  if (!after5) throw new Error('at least 5 worlds');
  return { after5, afterAll: await held() };
}
