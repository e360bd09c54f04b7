// model.safetensors.index.json: which file holds which tensor, and what Fivefold adds to its metadata.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import * as z from 'zod';
import { fail } from '../errors.ts';
import { withoutMark } from '../files/json-file.ts';
import { readWhole } from '../files/regular-file.ts';
import { broken, isPlainName, parsedAs, shown } from './broken.ts';
import { parseJson } from './json.ts';

export const indexName = 'model.safetensors.index.json';
export const singleName = 'model.safetensors';
export const configName = 'config.json';
export const tokenizerName = 'tokenizer.json';
/** What lies beside a tokenizer where a model has it: its special tokens, and how messages become text. */
export const besideTokenizer = ['tokenizer_config.json', 'chat_template.jinja'] as const;

/** What a run notes with each checkpoint: any JSON object, opaque here. */
export type Manifest = Readonly<Record<string, unknown>>;

/** The index of a checkpoint. */
export interface CheckpointIndex {
  /** Tensor name → file name. */
  readonly weightMap: ReadonlyMap<string, string>;
  readonly optimizerFiles: readonly string[];
  /** Bytes of all weights. */
  readonly totalBytes: number;
  /** Absent from a checkpoint that Fivefold did not write. */
  readonly manifest: Manifest | undefined;
}

/** An index that lies on the disk. */
export interface ReadIndex extends CheckpointIndex {
  /** Of what it says: another when a run has put its next step in the place of the last. */
  readonly identity: string;
}

/** Written beside the notes. A change that an older reader would misunderstand needs another version. */
const manifestVersion = 1;
/** Room for more than 500,000 tensors. */
const maxIndexBytes = 1 << 26;
/** More files than any model has; each is opened. */
const maxFiles = 10_000;

const plainName = z
  .string()
  .refine((name) => isPlainName(name) && !/[/\\]/.test(name) && name !== '.' && name !== '..', {
    error: 'a file name without a directory is needed',
  });
const indexSchema = z.object({
  metadata: z
    .looseObject({
      total_size: z.number().optional(),
      optimizer: z.array(plainName).max(maxFiles).optional(),
      fivefold: z.string().optional(),
    })
    .optional(),
  weight_map: z.custom<object>(
    (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
    'expected an object',
  ),
});
const manifestSchema = z.looseObject({ version: z.number().optional() });

/**
 * The index of a directory, or undefined if it has none.
 * @throws CHECKPOINT_BROKEN if the index is not valid, CHECKPOINT_MISSING if it cannot be read.
 */
export function readIndex(directory: string): ReadIndex | undefined {
  const path = join(directory, indexName);
  const bytes = readWhole(path, maxIndexBytes, ({ code, problem, fix = 'give a readable checkpoint directory' }) => {
    if (code === 'ENOENT') return undefined;
    if (code === 'TOO_LARGE') return broken(path, problem);
    return fail('CHECKPOINT_MISSING', { path, problem, fix });
  });
  if (bytes === undefined) return undefined;
  const text = withoutMark(bytes.toString());
  const { metadata = {}, weight_map } = parsedAs(path, indexSchema, parseJson(path, text, 'it'), 'the file');
  return {
    weightMap: parseWeightMap(path, weight_map),
    optimizerFiles: metadata.optimizer ?? [],
    totalBytes: metadata.total_size ?? 0,
    manifest: metadata.fivefold === undefined ? undefined : parseManifest(path, metadata.fivefold),
    identity: createHash('sha256').update(text).digest('hex'),
  };
}

/** The text of an index. transformers ignores the metadata it does not know. */
export function encodeIndex({ weightMap, optimizerFiles, totalBytes, manifest }: CheckpointIndex): string {
  const metadata = {
    total_size: totalBytes,
    optimizer: optimizerFiles,
    fivefold: JSON.stringify({ ...manifest, version: manifestVersion }),
  };
  return `${JSON.stringify({ metadata, weight_map: Object.fromEntries(weightMap) }, undefined, 2)}\n`;
}

/** The step that a manifest says it is of; undefined for one that does not say. */
export function stepOf(manifest: Manifest | undefined): number | undefined {
  const step = manifest?.step;
  return typeof step === 'number' && Number.isSafeInteger(step) && step >= 0 ? step : undefined;
}

function parseWeightMap(path: string, map: object): ReadonlyMap<string, string> {
  const files = new Set<string>();
  const entries = Object.entries(map).map(([tensor, name]): [string, string] => {
    if (!isPlainName(tensor)) broken(path, `weight_map names the tensor "${shown(tensor)}", which no tensor can be`);
    const file = files.has(String(name)) ? String(name) : parsedAs(path, plainName, name, `weight_map.${tensor}`);
    files.add(file);
    if (files.size > maxFiles) broken(path, `weight_map lists more than ${maxFiles} files`);
    return [tensor, file];
  });
  return new Map(entries);
}

function parseManifest(path: string, text: string): Manifest {
  const what = 'metadata.fivefold';
  const { version = manifestVersion, ...manifest } = parsedAs(path, manifestSchema, parseJson(path, text, what), what);
  if (version !== manifestVersion) {
    const fix = 'use the version of Fivefold that wrote it';
    broken(path, `${what} is of version ${version} and this program reads version ${manifestVersion}`, fix);
  }
  return manifest;
}
