// Who may write into a run's directory: the process whose lock file lies there, from its run's first step to its last.
//
// A lock comes into being whole, as a second name of a finished file, so that two processes never both have it and nobody reads
// half of one. That of a dead process is removed by whoever holds a lock on that very lock, named after its token: so never by two,
// and never one that has replaced it.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import * as z from 'zod';
import { fail } from '../errors.ts';
import { ownerTag, sweepBeside } from '../files/owned-names.ts';
import { processSchema, stillRuns, thisProcess } from '../files/processes.ts';
import { readWhole } from '../files/regular-file.ts';
import { errorCode } from '../files/system-errors.ts';
import { ifPossible, linkOrCopy, replaceFile, withFile, writeAt } from './files.ts';
import { readIndex } from './index-file.ts';
import { removeLeftovers, writingTo } from './out-files.ts';

const lockName = '.fivefold-lock';
/** How often a holder touches its lock, for those on other machines, who cannot ask whether it runs. */
const touchSeconds = 5;
/** A lock of another machine that has not been touched for so long is a dead process's. */
export const silenceSeconds = 60;

/** Many times what a lock says. */
const mostLockBytes = 1 << 16;

const holderSchema = z.object({
  /** Of this claim and no other. */
  token: z.string().regex(/^[0-9a-f]{16}$/),
  process: processSchema,
  host: z.string(),
  since: z.iso.datetime(),
});
type Holder = z.infer<typeof holderSchema>;
/** Nobody can tell whose: a file system without hard links was cut off while it was written. */
const unreadable = 'unreadable';

export interface Claim {
  /** Known to the ranks, who check before they save that the directory is still the run's: see {@link holdsClaim}. */
  readonly token: string;
  /** Removes what a save that failed left over, then the lock. No rank may be saving any more. */
  release(): void;
}

/**
 * Makes the directory this run's, creating it if need be, until `release` or the end of the process.
 * @throws OUT_BUSY if another run that is alive has it, OUT_UNWRITABLE
 */
export function claimOut(out: string): Claim {
  return writingTo(out, () => {
    const made = mkdirSync(out, { recursive: true });
    const path = join(out, lockName);
    const holder: Holder = {
      token: randomBytes(8).toString('hex'),
      process: thisProcess(),
      host: hostname(),
      since: new Date().toISOString(),
    };
    // Names its process, so that the next claim removes what is left of it, whole or not.
    const own = `${path}.${ownerTag}.${holder.token}`;
    try {
      replaceFile(own, `${JSON.stringify(holder)}\n`);
      acquire(out, own, path, holder.token);
    } catch (error) {
      if (made !== undefined) ifPossible(() => removeEmpty(resolve(out), resolve(made)));
      throw error;
    } finally {
      rmSync(own, { force: true });
    }
    ifPossible(() => sweepBeside(path));
    for (const name of readdirSync(out)) ifPossible(() => removeStray(out, name));
    const touching = setInterval(() => ifPossible(() => touch(path)), touchSeconds * 1000).unref();
    return {
      token: holder.token,
      release() {
        clearInterval(touching);
        if (!holdsClaim(out, holder.token)) return;
        ifPossible(() => removeLeftovers(out, readIndex(out)));
        ifPossible(() => rmSync(path));
        // A run that left nothing leaves no directories either.
        if (made !== undefined) ifPossible(() => removeEmpty(resolve(out), resolve(made)));
      },
    };
  });
}

/** Whether the directory is still that of the claim with this token. */
export function holdsClaim(out: string, token: string): boolean {
  const holder = readHolder(join(out, lockName));
  return holder !== undefined && holder !== unreadable && holder.token === token;
}

/** Who writes into a directory, in words; undefined if nobody that is alive. */
export function holderOf(out: string): string | undefined {
  const path = join(out, lockName);
  const holder = readHolder(path);
  return holder === undefined || isDead(path, holder) ? undefined : inWords(holder);
}

/** Whether a run, dead perhaps, has left its lock there. */
export const wasClaimed = (out: string): boolean => existsSync(join(out, lockName));

/** Makes `path` a name of the file `own`; `token` is what stands in it. */
function acquire(out: string, own: string, path: string, token: string): void {
  for (;;) {
    if (taken(own, path)) return;
    const holder = readHolder(path);
    if (holder === undefined) continue;
    const theirs = holder === unreadable ? unreadable : holder.token;
    // A network file system may carry out what it then reports as failed.
    if (theirs === token) return;
    if (!isDead(path, holder)) fail('OUT_BUSY', { path: out, holder: inWords(holder) });
    const turn = `${path}-${theirs}`;
    acquire(out, own, turn, token);
    try {
      const now = readHolder(path);
      if (now !== undefined && (now === unreadable ? unreadable : now.token) === theirs) rmSync(path);
    } finally {
      rmSync(turn, { force: true });
    }
  }
}

function taken(own: string, path: string): boolean {
  try {
    linkOrCopy(own, path);
    return true;
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
    return false;
  }
}

function readHolder(path: string): Holder | typeof unreadable | undefined {
  const bytes = readWhole(path, mostLockBytes, ({ code, problem }) => {
    // ENOTDIR: there is no directory at all.
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    if (code === 'NOT_REGULAR' || code === 'TOO_LARGE') return unreadable;
    return fail('OUT_UNWRITABLE', { path, problem });
  });
  if (bytes === undefined || bytes === unreadable) return bytes;
  try {
    return holderSchema.safeParse(JSON.parse(bytes.toString())).data ?? unreadable;
  } catch {
    return unreadable;
  }
}

function isDead(path: string, holder: Holder | typeof unreadable): boolean {
  const runs = holder === unreadable ? undefined : stillRuns(holder.process);
  return runs === undefined ? silentFor(path) > silenceSeconds : !runs;
}

/** Seconds since the lock was last touched, by the clock of whatever keeps its directory. */
function silentFor(path: string): number {
  const probe = `${path}.${randomBytes(8).toString('hex')}`;
  try {
    withFile(probe, 'wx', (fd) => writeAt(fd, Buffer.of(0), 0));
    return (statSync(probe).mtimeMs - statSync(path).mtimeMs) / 1000;
  } catch (error) {
    // It has just been given back.
    if (errorCode(error) === 'ENOENT') return Number.POSITIVE_INFINITY;
    throw error;
  } finally {
    rmSync(probe, { force: true });
  }
}

/** Writes a byte that is there already. */
const touch = (path: string): void => withFile(path, 'r+', (fd) => writeAt(fd, Buffer.from('{'), 0));

/** Removes what a process left that was killed while it claimed. */
function removeStray(out: string, name: string): void {
  if (!name.startsWith(`${lockName}.`) && !name.startsWith(`${lockName}-`)) return;
  const path = join(out, name);
  const holder = readHolder(path);
  if (holder !== undefined && isDead(path, holder)) rmSync(path);
}

function inWords(holder: Holder | typeof unreadable): string {
  if (holder === unreadable) return 'a process that has just begun';
  const { process: writer, host, since } = holder;
  const where = host === hostname() ? '' : ` on ${host}`;
  const time = new Date(since);
  const today = time.toDateString() === new Date().toDateString();
  const clock = time.toTimeString().slice(0, 5);
  const silence =
    writer.place === thisProcess().place
      ? ''
      : ` (its lock counts for ${silenceSeconds} s after its last sign of life)`;
  return `process ${writer.pid}${where} since ${today ? '' : `${time.toDateString()} `}${clock}${silence}`;
}

function removeEmpty(out: string, made: string): void {
  for (let at = out; ; at = dirname(at)) {
    rmdirSync(at);
    if (at === made) return;
  }
}
