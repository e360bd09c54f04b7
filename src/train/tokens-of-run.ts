// The tokens of a run: its data as streams on disk, each with a hash that tells it from others.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type PrepareProgress, prepareTokens } from '../data/tokens.ts';
import type { Settled } from './settle.ts';

export interface RunTokens {
  readonly path: string;
  readonly streams: readonly { readonly tokens: number; readonly sha256: string }[];
}

/** Tokenizes the data of a run into `folder`. */
export async function tokensOfRun(
  { run, model, tokenizer }: Settled,
  folder: string,
  onProgress?: (progress: PrepareProgress) => void,
): Promise<RunTokens> {
  const { path, tokens } = await prepareTokens({
    files: run.data,
    tokenizer,
    cacheFile: join(folder, 'tokens.i32.bin'),
    vocabSize: model.config.vocabSize,
    ...(onProgress ? { onProgress } : {}),
  });
  return { path, streams: [{ tokens, sha256: createHash('sha256').update(readFileSync(path)).digest('hex') }] };
}
