// Saving a checkpoint so that its directory is a whole, consistent Hugging Face directory at every instant, even under kill -9.
//
//   rank 0     beginSave ─┐                                      ┌─ commitSave: config.json, rename of the index, clean up
//   all ranks             └ barrier ─ openWriter ─ finish ─ barrier ┘
//
// Tensor files carry the step in their names, so a save never touches the files of the committed step. Renaming the index is the
// one instant at which the new step replaces the old. Files of neither are removed after it, and before the next save.
import { existsSync, fsyncSync, ftruncateSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type * as z from 'zod';
import { fail } from '../errors.ts';
import { errorCode, reasonOf } from '../files/system-errors.ts';
import { parsedAs } from './broken.ts';
import { holdsClaim } from './claim.ts';
import { ifPossible, replaceFile, syncDirectory, withFile, writeAt } from './files.ts';
import {
  besideTokenizer,
  type CheckpointIndex,
  configName,
  encodeIndex,
  indexName,
  type Manifest,
  readIndex,
  tokenizerName,
} from './index-file.ts';
import { keepCommitted, pruneKept } from './keep.ts';
import { committedFiles, removeLeftovers, saveFailed, saving } from './out-files.ts';
import { type CheckpointPlan, fileName, saveTag, tensorBytes } from './plan.ts';

/**
 * Rank 0: makes the step's files, full length with their headers, after removing what earlier saves left over. `claim` is the token
 * of the run's claim to `out`.
 * @throws SAVE_FAILED
 */
export function beginSave(out: string, plan: CheckpointPlan, step: number, claim: string): void {
  saving(out, step, () => {
    checkClaim(out, step, claim);
    const index = readIndex(out);
    removeLeftovers(out, index);
    const tag = saveTag(step, committedFiles(index));
    for (const file of plan.files) {
      withFile(join(out, fileName(file, tag)), 'wx', (fd) => {
        ftruncateSync(fd, file.bytes);
        writeAt(fd, file.header, 0);
      });
    }
  });
}

export interface CommitOptions {
  readonly claim: string;
  /** Text of config.json. */
  readonly config: string;
  /** What the run notes; {@link readManifest} gives it back. */
  readonly manifest: Manifest;
  /** A tokenizer.json to copy. */
  readonly tokenizerPath?: string | undefined;
  /** How many steps stay, this one included; see keep.ts. Undefined: earlier ones that are kept stay, no more are. */
  readonly keepLast?: number | undefined;
  /** Called before whatever may take long. */
  readonly onPiece?: (() => void) | undefined;
}

/**
 * Rank 0, after every rank has finished its writes: makes the step the directory's checkpoint.
 * `tokenizer.json`, and what a model has beside it, is written by the first save and kept by later ones.
 * @throws SAVE_FAILED
 */
export function commitSave(out: string, plan: CheckpointPlan, step: number, options: CommitOptions): void {
  const { claim, keepLast, tokenizerPath, onPiece } = options;
  saving(out, step, () => {
    checkClaim(out, step, claim);
    const tokenizer = tokenizerPath === undefined ? [] : readTokenizer(tokenizerPath);
    const previous = readIndex(out);
    const tag = saveTag(step, committedFiles(previous));
    const names = plan.files.map((file) => fileName(file, tag));
    for (const name of names) {
      onPiece?.();
      withFile(join(out, name), 'r+', fsyncSync);
    }
    const configPath = join(out, configName);
    if (!existsSync(configPath)) replaceFile(configPath, options.config);
    for (const { name, content } of tokenizer) if (!existsSync(join(out, name))) replaceFile(join(out, name), content);
    syncDirectory(out);
    onPiece?.();
    if (keepLast !== undefined && keepLast > 1) keepCommitted(out, previous, step);

    const index = indexOf(plan, names, options.manifest);
    replaceFile(join(out, indexName), encodeIndex(index));
    // It names the type of the weights, which a resumed run may have changed.
    if (readFileSync(configPath, 'utf8') !== options.config) replaceFile(configPath, options.config);
    syncDirectory(out);
    // The step is committed by now. A file that cannot go yet, because on Windows someone reads it, goes with the next save.
    ifPossible(() => removeLeftovers(out, index));
    if (keepLast !== undefined) ifPossible(() => pruneKept(out, keepLast - 1));
  });
}

/**
 * What the run that wrote this directory noted, as the schema has it; undefined if Fivefold did not write it.
 * @throws CHECKPOINT_BROKEN if the index is damaged, or naming the field that violates the schema.
 */
export function readManifest(directory: string): Manifest | undefined;
/** @internal The published types need none of zod's. */
export function readManifest<S extends z.ZodType>(directory: string, schema: S): z.output<S> | undefined;
export function readManifest(directory: string, schema?: z.ZodType): unknown {
  const manifest = readIndex(directory)?.manifest;
  if (manifest === undefined || !schema) return manifest;
  return parsedAs(join(directory, indexName), schema, manifest, 'metadata.fivefold');
}

function checkClaim(out: string, step: number, claim: string): void {
  if (holdsClaim(out, claim)) return;
  const problem = existsSync(out) ? 'another run has taken the directory over' : 'the directory was removed';
  saveFailed(out, step, `${problem} while the run went on`, 'leave the directory of a run alone');
}

function indexOf(plan: CheckpointPlan, names: readonly string[], manifest: Manifest): CheckpointIndex {
  const weights = [...plan.tensors.values()].filter(({ file }) => plan.files[file]!.kind === 'model');
  return {
    weightMap: new Map(weights.map(({ name, file }) => [name, names[file]!])),
    optimizerFiles: names.filter((_, file) => plan.files[file]!.kind === 'optimizer'),
    totalBytes: weights.reduce((sum, spec) => sum + tensorBytes(spec), 0),
    manifest,
  };
}

/** The tokenizer.json and what there is beside it. */
function readTokenizer(path: string): readonly { readonly name: string; readonly content: Buffer }[] {
  try {
    const beside = besideTokenizer.filter((name) => existsSync(join(dirname(path), name)));
    return [
      { name: tokenizerName, content: readFileSync(path) },
      ...beside.map((name) => ({ name, content: readFileSync(join(dirname(path), name)) })),
    ];
  } catch (error) {
    const code = errorCode(error);
    if (!code) throw error;
    return fail('CHECKPOINT_MISSING', { path, problem: reasonOf(code), fix: 'give a readable tokenizer.json' });
  }
}
