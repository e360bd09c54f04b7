// The trace of a run: whether it can be written where it is asked for, and when it takes its name.
import { accessSync, constants, renameSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { ifPossible } from '../checkpoint/files.ts';
import { FivefoldError, fail, option } from '../errors.ts';
import { sweepBeside, temporaryBeside } from '../files/owned-names.ts';
import { createTrace, type TraceFile, type TraceOptions } from '../runtime/perfetto.ts';

/** A trace is written beside its name first, so its folder must take files. */
export function checkTrace(path: string): void {
  const folder = dirname(path);
  const problem = statSync(path, { throwIfNoEntry: false })?.isDirectory()
    ? 'it is a folder'
    : statSync(folder, { throwIfNoEntry: false })?.isDirectory()
      ? isWritable(folder)
        ? undefined
        : `${folder} cannot be written to`
      : `there is no folder ${folder}`;
  if (problem !== undefined)
    fail('OPTION_INVALID', {
      option: `${option('trace')} ${path}`,
      problem,
      fix: 'name a file in a folder that exists and can be written',
    });
}

/**
 * Runs `work` with a trace that takes its name in the end, so that a run that is refused replaces nothing. It is kept, as far as it
 * was written, of a run that failed.
 */
export async function withTrace<T>(
  path: string,
  options: TraceOptions,
  work: (trace: TraceFile) => Promise<T>,
): Promise<T> {
  sweepBeside(path);
  const temporary = temporaryBeside(path);
  const trace = createTrace(temporary, { ...options, shownPath: path });
  let isRefused = false;
  try {
    return await work(trace);
  } catch (error) {
    isRefused = error instanceof FivefoldError && error.exit === 2;
    throw error;
  } finally {
    // What ended the run is told, not what its trace then met.
    ifPossible(() => trace.close());
    ifPossible(() => (isRefused ? rmSync(temporary) : renameSync(temporary, path)));
  }
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
