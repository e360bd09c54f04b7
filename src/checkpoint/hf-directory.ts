// A checkpoint in Hugging Face form: a directory with one or many .safetensors files, or a single file.
import { existsSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fail, option } from '../errors.ts';
import { errorCode, reasonOf } from '../files/system-errors.ts';
import { broken } from './broken.ts';
import type { Dtype, TensorArray } from './dtypes.ts';
import type { OnMoved } from './files.ts';
import { configName, indexName, type Manifest, readIndex, singleName, tokenizerName } from './index-file.ts';
import type { Range } from './ranges.ts';
import { openSafetensors, type SafetensorsFile } from './safetensors.ts';

export interface CheckpointTensor {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Path of the file that holds it. */
  readonly file: string;
}

/** An open checkpoint. Names may be given canonically: see {@link Checkpoint.resolve}. */
export interface Checkpoint {
  readonly path: string;
  /** Undefined when there is no such file beside the weights. */
  readonly configPath: string | undefined;
  readonly tokenizerPath: string | undefined;
  /** What the run that wrote it noted; undefined for a checkpoint made by others. */
  readonly manifest: Manifest | undefined;
  /** By the names in the files. */
  readonly tensors: ReadonlyMap<string, CheckpointTensor>;
  /**
   * The name in the files of the tensor with this canonical name, or undefined. The same tensor is `h.0.ln_1.weight` in a file
   * of the bare model and `transformer.h.0.ln_1.weight` in one of the language model; asking for either finds both.
   */
  resolve(name: string): string | undefined;
  has(name: string): boolean;
  find(name: string): CheckpointTensor | undefined;
  /**
   * Reads a slice of a tensor into the whole of `out`; see SafetensorsFile.readSlice. `onMoved` hears of every read from the disk.
   * @throws CHECKPOINT_MISMATCH if there is no such tensor or slice, CHECKPOINT_BROKEN for NaN and infinities.
   */
  read(name: string, ranges: readonly Range[], out: TensorArray, onMoved?: OnMoved): void;
  close(): void;
}

/** What the weights of one model may be prefixed with, depending on the class that saved them. */
const prefixes = ['', 'transformer.', 'model.'];

/**
 * Opens a Hugging Face directory (the index wins over `model.safetensors`) or one .safetensors file.
 * @param identity of {@link identityOf}, if it must be that very checkpoint
 * @throws CHECKPOINT_MISSING if the path or a listed file does not exist, CHECKPOINT_BROKEN if a file is damaged,
 * CHECKPOINT_MISMATCH if it is another checkpoint.
 */
export function openCheckpoint(path: string, identity?: string): Checkpoint {
  if (!isDirectory(path)) {
    expectIdentity(path, identity, () => identityOf(path));
    return checkpointOf(path, dirname(path), undefined, ...alone(openSafetensors(path)));
  }
  // A run may commit its next step, and remove the files of the last, between our reading the index and opening the files.
  for (let attempt = 1; ; attempt++) {
    const index = readIndex(path);
    expectIdentity(path, identity, () => index?.identity ?? identityOf(path));
    try {
      if (!index) return checkpointOf(path, path, undefined, ...alone(openSafetensors(singleIn(path))));
      const { files, places } = openListed(path, index.weightMap);
      return checkpointOf(path, path, index.manifest, files, places);
    } catch (error) {
      if (readIndex(path)?.identity === index?.identity || attempt === 5) throw error;
    }
  }
}

/**
 * Opens the optimizer state saved beside the weights of a directory.
 * @param identity as for {@link openCheckpoint}
 * @throws CHECKPOINT_MISSING if the checkpoint has none.
 */
export function openOptimizer(path: string, identity?: string): Checkpoint {
  const index = isDirectory(path) ? readIndex(path) : undefined;
  if (index) expectIdentity(path, identity, () => index.identity);
  if (!index && isDirectory(path)) singleIn(path);
  if (!index?.optimizerFiles.length) {
    return fail('CHECKPOINT_MISSING', {
      path,
      problem: 'it holds weights but no optimizer state',
      fix: `start a new run from its weights with ${option('model')}`,
    });
  }
  const files = openAll(index.optimizerFiles.map((name) => join(path, name)));
  const places = new Map<string, SafetensorsFile>();
  for (const file of files)
    for (const name of file.tensors.keys()) {
      const other = places.get(name);
      if (other) {
        for (const each of files) each.close();
        broken(path, `both ${basename(other.path)} and ${basename(file.path)} hold ${name}`);
      }
      places.set(name, file);
    }
  return checkpointOf(path, path, index.manifest, files, places);
}

/**
 * What tells the checkpoint at `path` from one that takes its place later. Ranks that open it one by one are given it, so that none
 * reads a step that another does not.
 * @throws what openCheckpoint throws
 */
export function identityOf(path: string): string {
  const index = isDirectory(path) ? readIndex(path) : undefined;
  if (index) return index.identity;
  const file = isDirectory(path) ? singleIn(path) : path;
  const { dev, ino, size, mtimeMs } = statSync(file);
  return [dev, ino, size, mtimeMs].join();
}

function expectIdentity(path: string, expected: string | undefined, found: () => string): void {
  if (expected === undefined || expected === found()) return;
  fail('CHECKPOINT_MISMATCH', {
    path,
    problem: 'another step or model has taken its place while it was being read',
    fix: 'wait until its run has ended, or give a copy of it',
  });
}

function singleIn(path: string): string {
  const single = join(path, singleName);
  if (existsSync(single)) return single;
  const problem = `the directory has neither ${indexName} nor ${singleName}`;
  return fail('CHECKPOINT_MISSING', { path, problem, fix: 'give a directory with .safetensors weights' });
}

function alone(file: SafetensorsFile): [SafetensorsFile[], Map<string, SafetensorsFile>] {
  return [[file], new Map([...file.tensors.keys()].map((name) => [name, file]))];
}

function openListed(path: string, weightMap: ReadonlyMap<string, string>) {
  const names = [...new Set(weightMap.values())];
  const absent = names.filter((name) => !existsSync(join(path, name)));
  if (absent.length > 0) {
    const problem = `${indexName} lists ${absent[0]}, which does not exist (${absent.length} of ${names.length} files absent)`;
    return fail('CHECKPOINT_MISSING', { path, problem, fix: 'copy or download the missing files' });
  }
  const files = openAll(names.map((name) => join(path, name)));
  const byName = new Map(files.map((file) => [basename(file.path), file]));
  const places = new Map<string, SafetensorsFile>();
  for (const [tensor, name] of weightMap) {
    const file = byName.get(name)!;
    if (!file.tensors.has(tensor)) {
      for (const each of files) each.close();
      broken(join(path, indexName), `it says ${name} holds ${tensor}, and it does not`);
    }
    places.set(tensor, file);
  }
  return { files, places };
}

function openAll(paths: readonly string[]): SafetensorsFile[] {
  const files: SafetensorsFile[] = [];
  try {
    for (const path of paths) files.push(openSafetensors(path));
  } catch (error) {
    for (const file of files) file.close();
    throw error;
  }
  return files;
}

function checkpointOf(
  path: string,
  directory: string,
  manifest: Manifest | undefined,
  files: readonly SafetensorsFile[],
  places: ReadonlyMap<string, SafetensorsFile>,
): Checkpoint {
  const tensors = new Map<string, CheckpointTensor>();
  for (const [name, file] of places) {
    const { dtype, shape } = file.tensors.get(name)!;
    tensors.set(name, { dtype, shape, file: file.path });
  }
  const resolve = (name: string): string | undefined => {
    if (tensors.has(name)) return name;
    const own = prefixes.find((prefix) => prefix !== '' && name.startsWith(prefix)) ?? '';
    const bare = name.slice(own.length);
    return prefixes.map((prefix) => prefix + bare).find((candidate) => tensors.has(candidate));
  };
  const find = (name: string) => tensors.get(resolve(name) ?? name);
  return {
    path,
    configPath: ifExists(join(directory, configName)),
    tokenizerPath: ifExists(join(directory, tokenizerName)),
    manifest,
    tensors,
    resolve,
    has: (name) => resolve(name) !== undefined,
    find,
    read(name, ranges, out, onMoved) {
      const actual = resolve(name);
      if (actual === undefined) {
        const fix = `it has ${tensors.size} others, such as ${[...tensors.keys()].slice(0, 3).join(', ')}`;
        return fail('CHECKPOINT_MISMATCH', { path, problem: `it has no tensor ${name}`, fix });
      }
      places.get(actual)!.readSlice(actual, ranges, out, onMoved);
    },
    close: () => {
      for (const file of files) file.close();
    },
  };
}

const ifExists = (path: string): string | undefined => (existsSync(path) ? path : undefined);

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    const code = errorCode(error);
    if (!code) throw error;
    const fix = 'give a Hugging Face model directory or a .safetensors file';
    return fail('CHECKPOINT_MISSING', { path, problem: reasonOf(code), fix });
  }
}
