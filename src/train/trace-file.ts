// Whether a trace can be written where it is asked for.
import { accessSync, constants, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { fail, option } from '../errors.ts';

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

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
