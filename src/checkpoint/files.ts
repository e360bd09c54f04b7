// Small file helpers: whole reads and writes at a position, atomic replacement, and flushing a directory to disk.
import { closeSync, constants, fsyncSync, openSync, readSync, renameSync, writeSync } from 'node:fs';
import { errorCode } from '../files/system-errors.ts';

export { errorCode, reasonOf } from '../files/system-errors.ts';

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
