// Names of temporary files and folders that say which process made them, so that the next run removes what a killed one left behind.
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';

/** A process among all that may use a folder: where its number means something, its number, and when it started. */
interface Owner {
  readonly place: string;
  readonly pid: number;
  /** Clock ticks since the machine started; 0 where only Linux tells. */
  readonly start: number;
}

/** Of a system that shows its processes as Linux does. */
const shown = existsSync('/proc/self/stat');

/** Numbers of processes mean something within one machine and, in containers, one namespace. */
function placeOf(): string {
  const namespace = shown ? readlinkSync('/proc/self/ns/pid') : '';
  return createHash('sha256').update(`${hostname()} ${namespace}`).digest('hex').slice(0, 8);
}

/** The state and the start of a process; undefined where none can be seen. */
function lookAt(pid: number | 'self'): { readonly state: string; readonly start: number } | undefined {
  const path = `/proc/${pid}/stat`;
  if (!existsSync(path)) return undefined;
  const text = readFileSync(path, 'utf8');
  // The name, in brackets, may hold anything; after it come the state (field 3) and, as field 22, the start.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0]!, start: Number(fields[19]) };
}

function isGone({ pid, start }: Owner): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
  const seen = lookAt(pid);
  // Another that got the number, or one that has ended and that its parent has not asked about. One that is hidden may be the owner.
  return seen !== undefined && (seen.start !== start || seen.state === 'Z');
}

const own: Owner = { place: placeOf(), pid: process.pid, start: lookAt('self')?.start ?? 0 };

/** Stands in the name of everything temporary. */
export const ownerTag = `${own.place}-${own.pid}-${own.start}`;

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
    if (!owner || owner.place !== own.place || !isGone(owner)) continue;
    const path = join(folder, name);
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (!found || (process.getuid && found.uid !== process.getuid())) continue;
    if (Date.now() - found.mtimeMs >= keepMilliseconds) rmSync(path, { recursive: true, force: true });
  }
}

function ownerIn(text: string): Owner | undefined {
  const [, place, pid, start] = /^([0-9a-f]{8})-(\d+)-(\d+)(?:[-.]|$)/.exec(text) ?? [];
  return place === undefined ? undefined : { place, pid: Number(pid), start: Number(start) };
}
