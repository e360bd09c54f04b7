// Files that a command writes at its end: looked at before any work, and what the system says against one in words.
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { errorCode, reasonOf } from './system-errors.ts';

/** Says why it cannot be written, in words that follow its path. */
type Refuse = (problem: string) => never;

/** That a file can be written there. */
export function checkWritable(path: string, refuse: Refuse): void {
  refusing(() => {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) refuse(reasonOf('EISDIR'));
    accessSync(existsSync(path) ? path : dirname(path), constants.W_OK);
  }, refuse);
}

/** @throws what `write` does that is not the system's */
export function refusing(write: () => void, refuse: Refuse): void {
  try {
    write();
  } catch (error) {
    const code = errorCode(error);
    if (code === undefined) throw error;
    refuse(reasonOf(code));
  }
}
