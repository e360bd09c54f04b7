// The one door for files named from outside: only regular files, opened without ever blocking, read up to a bound.
import { closeSync, constants, fstatSync, openSync, readSync, type Stats, statSync } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { errorCode, reasonOf } from './system-errors.ts';

/** Why a file is not read. */
export interface Refusal {
  /** In words that follow the file's name: `it does not exist`. */
  readonly problem: string;
  /** The system's (ENOENT, EISDIR, ...), or NOT_REGULAR, TOO_LARGE, NOT_JSON. */
  readonly code: string;
  /** What to do, where that follows from the problem alone. */
  readonly fix?: string;
}

/** What a caller makes of a refusal: an error of its own, or a value in place of the file. */
export type Refuse<T> = (refusal: Refusal) => T;

/** What is wrong with reading this as a file, or undefined. */
export function notRegular(info: Stats): Refusal | undefined {
  if (info.isFile()) return undefined;
  if (info.isDirectory()) return { problem: reasonOf('EISDIR'), code: 'EISDIR' };
  const kind = info.isFIFO() ? 'FIFO (a pipe)' : info.isSocket() ? 'socket' : 'device';
  const fix = 'save what it gives in a file, and give that file';
  return { problem: `it is a ${kind} and not a regular file`, code: 'NOT_REGULAR', fix };
}

/** The refusal that an error of the system stands for; any other error is thrown on. */
export function refusalOf(error: unknown): Refusal {
  const code = errorCode(error);
  if (!code) throw error;
  return { problem: reasonOf(code), code };
}

// A file is looked at before it is opened, as opening a device can do something, and after, as it may have been replaced in
// between: then O_NONBLOCK keeps a FIFO from blocking. Windows has neither that flag nor FIFOs.
const flags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/**
 * Opens a regular file to read, symbolic links followed. Anything else is refused without waiting for it.
 * @returns the file descriptor, or what `refuse` returns
 */
export function openRegular<T>(path: string, refuse: Refuse<T>): number | T {
  const opened = tryOpen(path);
  return typeof opened === 'number' ? opened : refuse(opened);
}

function tryOpen(path: string): number | Refusal {
  try {
    const before = notRegular(statSync(path));
    if (before) return before;
    const fd = openSync(path, flags);
    const after = notRegular(fstatSync(fd));
    if (after) closeSync(fd);
    return after ?? fd;
  } catch (error) {
    return refusalOf(error);
  }
}

/** The same for reading that does not hold up the process. */
export async function openRegularHandle<T>(path: string, refuse: Refuse<T>): Promise<FileHandle | T> {
  const opened = await tryOpenHandle(path);
  return 'code' in opened ? refuse(opened) : opened;
}

async function tryOpenHandle(path: string): Promise<FileHandle | Refusal> {
  try {
    const before = notRegular(await stat(path));
    if (before) return before;
    const file = await open(path, flags);
    const after = notRegular(await file.stat());
    if (after) await file.close();
    return after ?? file;
  } catch (error) {
    return refusalOf(error);
  }
}

/** All of a regular file of at most `maxBytes` bytes. One that grows meanwhile is read to the size it had. */
export function readWhole<T>(path: string, maxBytes: number, refuse: Refuse<T>): Buffer | T {
  const fd = tryOpen(path);
  if (typeof fd !== 'number') return refuse(fd);
  let bytes: Buffer;
  try {
    const { size } = fstatSync(fd);
    if (size > maxBytes) {
      const problem = `its ${size} bytes are more than the ${maxBytes} that such a file may have`;
      return refuse({ problem, code: 'TOO_LARGE' });
    }
    bytes = readUpTo(fd, size);
  } catch (error) {
    return refuse(refusalOf(error));
  } finally {
    closeSync(fd);
  }
  return bytes;
}

/** The first `size` bytes of an open file, or all of a shorter one. */
export function readUpTo(fd: number, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  let held = 0;
  while (held < size) {
    const got = readSync(fd, bytes, held, size - held, held);
    if (got === 0) break;
    held += got;
  }
  return bytes.subarray(0, held);
}
