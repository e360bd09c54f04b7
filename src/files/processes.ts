// Which process is meant: enough about one to know later whether it still runs, although its number may have gone to another.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import * as z from 'zod';
import { errorCode } from './system-errors.ts';

export const processSchema = z.object({
  pid: z
    .number()
    .int()
    .positive()
    .max(2 ** 31 - 1),
  /** When it began, as its system says it, in letters and digits; empty where that cannot be told. */
  began: z.string(),
  /** What its number belongs to, a boot of a machine and a container of it, as 8 hexadecimal digits. */
  place: z.string(),
});

export type Process = z.infer<typeof processSchema>;

export const thisProcess = (): Process => ({
  pid: process.pid,
  began: beginOf(process.pid) ?? '',
  place: place(),
});

/**
 * Whether it still runs; undefined where that cannot be told: for a process of another machine or container, and where one of its
 * number runs but hides when it began.
 */
export function stillRuns({ pid, began, place: where }: Process): boolean | undefined {
  if (where !== place()) return undefined;
  const now = beginOf(pid);
  if (now === undefined || now === began) return now !== undefined;
  return now === '' || began === '' ? undefined : false;
}

function place(): string {
  const text =
    process.platform === 'linux'
      ? `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${readlinkSync('/proc/self/ns/pid')}`
      : hostname();
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}

/** When a process began; undefined if there is none of this number, '' if there is one and no more can be told. */
function beginOf(pid: number): string | undefined {
  if (!exists(pid)) return undefined;
  try {
    if (process.platform === 'linux') return beginInProc(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    if (process.platform === 'win32') return '';
    // The same words whatever the language and the time zone of who asks.
    const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' };
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8', env }).replace(/\W/g, '');
  } catch {
    // It has just ended, or the system hides it.
    return exists(pid) ? '' : undefined;
  }
}

/** Fields 3 (state) and 22 (start, in ticks since the boot) of proc(5); a zombie has ended. */
function beginInProc(stat: string): string | undefined {
  // The name, in brackets, may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    if (!errorCode(error)) throw error;
    // EPERM: it is another user's.
    return errorCode(error) === 'EPERM';
  }
}
