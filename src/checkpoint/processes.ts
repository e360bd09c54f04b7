// Which process is meant: enough about one to know later whether it still runs, although its number may have gone to another.
import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import * as z from 'zod';
import { errorCode } from './files.ts';

export const processSchema = z.object({
  pid: z.number().int().positive(),
  /** When it began, as its system says it; empty where that cannot be told. */
  began: z.string(),
  host: z.string(),
  /** What its number belongs to: a boot of a machine, and a container of it. */
  place: z.string(),
});

export type Process = z.infer<typeof processSchema>;

export const thisProcess = (): Process => ({
  pid: process.pid,
  began: beginOf(process.pid) ?? '',
  host: hostname(),
  place: place(),
});

/** Whether it still runs; undefined for a process of another machine or container, about which nothing can be told from here. */
export function stillRuns({ pid, began, place: where }: Process): boolean | undefined {
  return where === place() ? beginOf(pid) === began : undefined;
}

const place = (): string =>
  process.platform === 'linux'
    ? `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${readlinkSync('/proc/self/ns/pid')}`
    : hostname();

/** When a process began; undefined if there is none of this number, '' if there is one and no more can be told. */
function beginOf(pid: number): string | undefined {
  if (!exists(pid)) return undefined;
  try {
    if (process.platform === 'linux') return beginInProc(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    if (process.platform === 'win32') return '';
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim();
  } catch {
    // It has just ended, or the system hides it.
    return exists(pid) ? '' : undefined;
  }
}

/** Fields 3 (state) and 22 (start, in ticks since the boot) of proc(5); a zombie has ended. */
function beginInProc(stat: string): string | undefined {
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
