// Names of temporary files and folders that say which process made them, so that the next run removes what a killed one left behind.
import { existsSync, lstatSync, readdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type Process, processSchema, stillRuns, thisProcess } from './processes.ts';

const own = thisProcess();

/** Stands in the name of everything temporary. */
export const ownerTag = `${own.place}-${own.pid}-${own.began}`;

/** Where a file is written before it takes its name: beside it, so that this is a rename inside one file system. */
export const temporaryBeside = (path: string): string => `${path}.${ownerTag}.tmp`;

/** Removes what runs that were killed left beside a file of that name; see {@link temporaryBeside}. */
export const sweepBeside = (path: string): void => sweep(dirname(path), `${basename(path)}.`);

/**
 * Removes from a folder what is named `prefix`, the tag of a process that is no more, and anything: nothing of one that runs, or runs
 * elsewhere. `keepMilliseconds`: only what is older.
 */
export function sweep(folder: string, prefix: string, keepMilliseconds = 0): void {
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    const owner = name.startsWith(prefix) ? ownerIn(name.slice(prefix.length)) : undefined;
    if (!owner || stillRuns(owner) !== false) continue;
    const path = join(folder, name);
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (!found || (process.getuid && found.uid !== process.getuid())) continue;
    if (Date.now() - found.mtimeMs >= keepMilliseconds) rmSync(path, { recursive: true, force: true });
  }
}

function ownerIn(text: string): Process | undefined {
  const [, place, pid, began] = /^([0-9a-f]{8})-(\d+)-(\w*)(?:[-.]|$)/.exec(text) ?? [];
  return processSchema.safeParse({ place, pid: Number(pid), began }).data;
}
