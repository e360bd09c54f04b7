// model.safetensors.index.json: which file holds which tensor, and what Fivefold adds to its metadata.
import { join } from 'node:path';
import * as z from 'zod';
import { fail } from '../errors.ts';
import { maxBytes, readJson } from '../files/json-file.ts';
import { broken } from './header.ts';

export const indexName = 'model.safetensors.index.json';
export const singleName = 'model.safetensors';
export const configName = 'config.json';
export const tokenizerName = 'tokenizer.json';

/** What a run wants to find again: step, tokens seen, place in the data, seed, layout. Opaque here; any JSON object. */
export type Manifest = Readonly<Record<string, unknown>>;

/** The index of a checkpoint. */
export interface CheckpointIndex {
  /** Tensor name → file name. */
  readonly weightMap: Readonly<Record<string, string>>;
  readonly optimizerFiles: readonly string[];
  /** Bytes of all weights. */
  readonly totalBytes: number;
  /** Absent from a checkpoint that Fivefold did not write. */
  readonly manifest: Manifest | undefined;
}

const plainName = z.string().regex(/^[^/\\]+$/, 'a file name without a directory');
const indexSchema = z.object({
  metadata: z
    .looseObject({
      total_size: z.number().optional(),
      optimizer: z.array(plainName).optional(),
      fivefold: z.string().optional(),
    })
    .optional(),
  weight_map: z.record(z.string(), plainName),
});
const manifestSchema = z.record(z.string(), z.unknown());

/**
 * The index of a directory, or undefined if it has none.
 * @throws CHECKPOINT_BROKEN if the index is not valid, CHECKPOINT_MISSING if it cannot be read.
 */
export function readIndex(directory: string): CheckpointIndex | undefined {
  const path = join(directory, indexName);
  const json = readJson(path, maxBytes.index, ({ problem, code, fix }) => {
    if (code === 'ENOENT') return undefined;
    if (code === 'NOT_JSON') return broken(path, 'it is not JSON');
    return fail('CHECKPOINT_MISSING', { path, problem, fix: fix ?? 'give a readable checkpoint directory' });
  });
  if (json === undefined) return undefined;
  const parsed = indexSchema.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return broken(path, `${issue?.path.join('.') || 'the file'}: ${issue?.message}`);
  }
  const { metadata = {}, weight_map: weightMap } = parsed.data;
  return {
    weightMap,
    optimizerFiles: metadata.optimizer ?? [],
    totalBytes: metadata.total_size ?? 0,
    manifest: metadata.fivefold === undefined ? undefined : parseManifest(path, metadata.fivefold),
  };
}

/** The text of an index. transformers ignores the metadata it does not know. */
export function encodeIndex(index: CheckpointIndex): string {
  const metadata = {
    total_size: index.totalBytes,
    optimizer: index.optimizerFiles,
    fivefold: JSON.stringify(index.manifest),
  };
  return `${JSON.stringify({ metadata, weight_map: index.weightMap }, undefined, 2)}\n`;
}

function parseManifest(path: string, text: string): Manifest {
  return manifestSchema.safeParse(parseJson(path, text)).data ?? broken(path, 'metadata.fivefold is not a JSON object');
}

function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return broken(path, 'it is not JSON');
  }
}
