// A temporary directory that is gone when it is no longer needed, whichever way the command ends.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ownerTag, sweep } from './owned-names.ts';

const prefix = 'fivefold-';

/**
 * Runs `work` with a new empty directory and removes it after, also when the process exits before. What a killed process could not
 * remove goes with the next call of any other.
 */
export async function withTemporary<T>(work: (directory: string) => Promise<T>): Promise<T> {
  sweep(tmpdir(), prefix);
  const directory = mkdtempSync(join(tmpdir(), `${prefix}${ownerTag}-`));
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  process.once('exit', remove);
  try {
    return await work(directory);
  } finally {
    process.off('exit', remove);
    remove();
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
