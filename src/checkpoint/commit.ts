// Saving a checkpoint so that its directory is a whole, consistent Hugging Face directory at every instant, even under kill -9.
//
//   rank 0     beginSave ─┐                                      ┌─ commitSave: config.json, rename of the index, clean up
//   all ranks             └ barrier ─ openWriter ─ finish ─ barrier ┘
//
// Tensor files carry the step in their names, so a save never touches the files of the committed step. Renaming the index is the
// one instant at which the new step replaces the old. Files of neither are removed after it, and before the next save.
import { existsSync, fsyncSync, ftruncateSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fail } from '../errors.ts';
import { errorCode, reasonOf, replaceFile, syncDirectory, withFile, writeAt } from './files.ts';
import {
  type CheckpointIndex,
  configName,
  encodeIndex,
  indexName,
  type Manifest,
  readIndex,
  tokenizerName,
} from './index-file.ts';
import { committedFiles, leftovers, writingTo } from './out-directory.ts';
import { type CheckpointPlan, fileName, saveTag, tensorBytes } from './plan.ts';

/**
 * Rank 0: makes the directory and the step's files, full length with their headers, after removing what earlier saves left over.
 * @throws OUT_UNWRITABLE
 */
export function beginSave(out: string, plan: CheckpointPlan, step: number): void {
  writingTo(out, () => {
    mkdirSync(out, { recursive: true });
    const index = readIndex(out);
    for (const name of leftovers(out, index)) rmSync(join(out, name));
    const tag = saveTag(step, committedFiles(index));
    for (const file of plan.files) {
      withFile(join(out, fileName(file, tag)), 'wx', (fd) => {
        ftruncateSync(fd, file.bytes);
        writeAt(fd, file.header, 0);
      });
    }
  });
}

/**
 * Rank 0, after every rank has finished its writes: makes the step the directory's checkpoint.
 * `config.json` and `tokenizer.json` are written by the first save and kept by later ones.
 * @throws OUT_UNWRITABLE, CHECKPOINT_MISSING if the tokenizer cannot be read
 */
export function commitSave(
  out: string,
  plan: CheckpointPlan,
  step: number,
  options: {
    /** Text of config.json. */
    readonly config: string;
    readonly manifest: Manifest;
    /** A tokenizer.json to copy. */
    readonly tokenizerPath?: string | undefined;
  },
): void {
  const tokenizer = options.tokenizerPath === undefined ? undefined : readTokenizer(options.tokenizerPath);
  writingTo(out, () => {
    const tag = saveTag(step, committedFiles(readIndex(out)));
    const names = plan.files.map((file) => fileName(file, tag));
    for (const name of names) withFile(join(out, name), 'r+', fsyncSync);
    writeIfAbsent(join(out, configName), options.config);
    if (tokenizer) writeIfAbsent(join(out, tokenizerName), tokenizer);
    syncDirectory(out);

    const index = indexOf(plan, names, options.manifest);
    replaceFile(join(out, indexName), encodeIndex(index));
    syncDirectory(out);
    for (const name of leftovers(out, index)) removeIfPossible(join(out, name));
  });
}

/**
 * What the run that wrote this directory noted, or undefined if Fivefold did not write it.
 * @throws CHECKPOINT_BROKEN if the index is damaged
 */
export function readManifest(out: string): Manifest | undefined {
  return readIndex(out)?.manifest;
}

function indexOf(plan: CheckpointPlan, names: readonly string[], manifest: Manifest): CheckpointIndex {
  const weights = [...plan.tensors.values()].filter(({ file }) => plan.files[file]!.kind === 'model');
  return {
    weightMap: Object.fromEntries(weights.map(({ name, file }) => [name, names[file]!])),
    optimizerFiles: names.filter((_, file) => plan.files[file]!.kind === 'optimizer'),
    totalBytes: weights.reduce((sum, spec) => sum + tensorBytes(spec), 0),
    manifest,
  };
}

function readTokenizer(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const code = errorCode(error);
    if (!code) throw error;
    return fail('CHECKPOINT_MISSING', { path, problem: reasonOf(code), fix: 'give a readable tokenizer.json' });
  }
}

function writeIfAbsent(path: string, content: string | Uint8Array): void {
  if (!existsSync(path)) replaceFile(path, content);
}

// The step is committed by now. A file that cannot go yet, because on Windows someone reads it, goes with the next save.
function removeIfPossible(path: string): void {
  try {
    rmSync(path);
  } catch (error) {
    if (!errorCode(error)) throw error;
  }
}
