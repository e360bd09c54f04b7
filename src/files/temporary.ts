// A temporary directory that is gone when it is no longer needed, whichever way the command ends.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fail } from '../errors.ts';
import { ownerTag, sweep } from './owned-names.ts';
import { errorCode, reasonOf } from './system-errors.ts';

const prefix = 'fivefold-';

/**
 * Runs `work` with a new empty directory and removes it after, also when the process exits before. What a killed process could not
 * remove goes with the next call of any other.
 */
export async function withTemporary<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = makeTemporary();
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  process.once('exit', remove);
  try {
    return await work(directory);
  } finally {
    process.off('exit', remove);
    remove();
  }
}

function makeTemporary(): string {
  try {
    sweep(tmpdir(), prefix);
    return mkdtempSync(join(tmpdir(), `${prefix}${ownerTag}-`));
  } catch (error) {
    const code = errorCode(error);
    if (!code) throw error;
    const fix = 'set TMPDIR to a folder for temporary files that exists and can be written';
    return fail('OUT_UNWRITABLE', { path: tmpdir(), problem: reasonOf(code), fix });
  }
}

const recorderPrefix = 'fivefold-recorders-';
/** An error has named them, and whoever saw it may read them. */
const recorderMilliseconds = 24 * 3600 * 1000;

/** Where a run without a directory of its own leaves its flight recorders; those of runs that ended a day ago or more are removed. */
export function temporaryRecorders(): string {
  sweep(tmpdir(), recorderPrefix, recorderMilliseconds);
  return join(tmpdir(), `${recorderPrefix}${ownerTag}`);
}
