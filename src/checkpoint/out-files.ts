// The files of a run's directory: which are committed, which were left over, and what it means when the system refuses them.
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { FivefoldError, fail } from '../errors.ts';
import { errorCode, reasonOf } from '../files/system-errors.ts';
import { partialSuffix } from './files.ts';
import {
  besideTokenizer,
  type CheckpointIndex,
  configName,
  indexName,
  readIndex,
  stepOf,
  tokenizerName,
} from './index-file.ts';
import { isStepFile } from './plan.ts';

/** Earlier steps that are kept, each a checkpoint directory of its own: see keep.ts. */
export const keptFolder = 'checkpoints';

/** Runs `write` before the run begins; what the system refuses ends with OUT_UNWRITABLE. */
export function writingTo<T>(out: string, write: () => T): T {
  try {
    return write();
  } catch (error) {
    const code = errorCode(error);
    if (!code) throw error;
    const isFull = code === 'ENOSPC' || code === 'EDQUOT';
    return fail('OUT_UNWRITABLE', {
      path: out,
      problem: reasonOf(code),
      ...(isFull ? { fix: 'make room there' } : {}),
    });
  }
}

/**
 * Runs a part of the save of a step. What the system refuses ends with SAVE_FAILED, which names the step that is still whole; so does
 * a file that another has spoilt, because exit status 2 says that nothing was done.
 */
export function saving<T>(out: string, step: number, part: () => T): T {
  try {
    return part();
  } catch (error) {
    const code = errorCode(error);
    if (code) return saveFailed(out, step, reasonOf(code), fixes[code] ?? generalFix);
    if (error instanceof FivefoldError && error.exit === 2) return saveFailed(out, step, error.marked, generalFix);
    throw error;
  }
}

const generalFix = 'put that right';

/** Ends with SAVE_FAILED. */
export function saveFailed(out: string, step: number, problem: string, fix: string): never {
  return fail('SAVE_FAILED', { path: out, step, problem, fix, survivor: committedStep(out) });
}

const fixes: Readonly<Record<string, string>> = {
  ENOSPC: 'free some space',
  EDQUOT: 'free some space',
  EFBIG: 'raise the limit on the size of files',
  EROFS: 'make it writable',
  EACCES: 'make it writable',
  EPERM: 'make it writable',
  EIO: 'see to the device',
  ENOENT: 'leave the directory of a run alone',
};

/** The step that is committed in a directory, as far as it can be read. */
export function committedStep(out: string): number | undefined {
  try {
    return stepOf(readIndex(out)?.manifest);
  } catch {
    return undefined;
  }
}

/** The files that an index stands for. */
export const committedFiles = (index: CheckpointIndex | undefined): string[] =>
  index ? [...new Set([...index.weightMap.values(), ...index.optimizerFiles])] : [];

/**
 * The names in `out` that saves made and no committed checkpoint uses. The texts of a first save that was cut off come before its
 * step files, by which they are known.
 */
export function leftovers(out: string, index: CheckpointIndex | undefined): string[] {
  const keep = new Set(committedFiles(index));
  const names = readdirSync(out);
  const steps = names.filter((name) => isStepFile(name) && !keep.has(name));
  const partial = [indexName, configName, tokenizerName, ...besideTokenizer].map((name) => name + partialSuffix);
  const texts = !index && steps.length > 0 ? [configName, tokenizerName, ...besideTokenizer] : [];
  return [...texts, ...partial].filter((name) => names.includes(name)).concat(steps, partlyKept(out, names));
}

/** Removes them. */
export function removeLeftovers(out: string, index: CheckpointIndex | undefined): void {
  for (const name of leftovers(out, index)) rmSync(join(out, name), { recursive: true });
}

function partlyKept(out: string, names: readonly string[]): string[] {
  if (!names.includes(keptFolder)) return [];
  const kept = readdirSync(join(out, keptFolder));
  return kept
    .filter((name) => name.startsWith('step-') && name.endsWith(partialSuffix))
    .map((name) => join(keptFolder, name));
}
