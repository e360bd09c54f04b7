// Small file helpers: whole reads and writes at a position, atomic replacement, and flushing a directory to disk.
import { closeSync, constants, fsyncSync, openSync, readSync, renameSync, writeSync } from 'node:fs';

/** Node and the kernel both stop short of 2 GiB in one call. */
const maxBytesPerCall = 1 << 30;

/** Reads exactly `bytes.length` bytes from `position`, or fewer at the end of the file. Returns how many. */
export function readAt(fd: number, bytes: Uint8Array, position: number): number {
  let done = 0;
  while (done < bytes.length) {
    const got = readSync(fd, bytes, done, Math.min(bytes.length - done, maxBytesPerCall), position + done);
    if (got === 0) break;
    done += got;
  }
  return done;
}

/** Writes all of `bytes` at `position`. */
export function writeAt(fd: number, bytes: Uint8Array, position: number): void {
  let done = 0;
  while (done < bytes.length) {
    done += writeSync(fd, bytes, done, Math.min(bytes.length - done, maxBytesPerCall), position + done);
  }
}

/** The bytes of a typed array, shared with it. */
export const bytesOf = (array: ArrayBufferView): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** Opens a file, runs `use` on it and closes it again. */
export function withFile<T>(path: string, flags: string | number, use: (fd: number) => T): T {
  const fd = openSync(path, flags);
  try {
    return use(fd);
  } finally {
    closeSync(fd);
  }
}

/** Writes a file so that a reader, or a crash, finds either the old or the whole new content. */
export function replaceFile(path: string, content: string | Uint8Array): void {
  const partial = `${path}${partialSuffix}`;
  withFile(partial, 'w', (fd) => {
    writeAt(fd, typeof content === 'string' ? Buffer.from(content) : content, 0);
    fsyncSync(fd);
  });
  renameSync(partial, path);
}

/** What {@link replaceFile} appends to a name while it writes. */
export const partialSuffix = '.partial';

/** Flushes a directory's names to disk, where the system can: Windows and some network file systems cannot. */
export function syncDirectory(path: string): void {
  try {
    withFile(path, constants.O_RDONLY, fsyncSync);
  } catch (error) {
    const code = errorCode(error);
    const refused = code === 'EINVAL' || code === 'ENOTSUP' || code === 'ENOSYS';
    if (process.platform !== 'win32' && !refused) throw error;
  }
}

/** The system's code of an error (ENOENT, EACCES, ...), or undefined if it does not come from the system. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && 'syscall' in error ? String(error.code) : undefined;
}

/** What a system error means, in words. */
export function reasonOf(code: string): string {
  return reasons[code] ?? `the system says ${code}`;
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'it does not exist',
  ENOTDIR: 'a part of the path is a file, not a directory',
  EISDIR: 'it is a directory',
  EEXIST: 'a file of that name is in the way',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space is left on the device',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file would be too large',
  ENAMETOOLONG: 'the name is too long',
  EMFILE: 'too many files are open',
};
