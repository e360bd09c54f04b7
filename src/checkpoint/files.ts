// Small file helpers: whole reads and writes at a position, atomic replacement, and flushing a directory to disk.
import {
  closeSync,
  constants,
  copyFileSync,
  fsyncSync,
  linkSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { errorCode } from '../files/system-errors.ts';

/** The most that moves before whoever waits hears of it. */
const pieceBytes = 1 << 26;

/** Told how many bytes have just been read or written: at most 64 MB at a time. */
export type OnMoved = (bytes: number) => void;

/** Reads exactly `bytes.length` bytes from `position`, or fewer at the end of the file. Returns how many. */
export function readAt(fd: number, bytes: Uint8Array, position: number, onMoved?: OnMoved): number {
  let done = 0;
  while (done < bytes.length) {
    const got = readSync(fd, bytes, done, Math.min(bytes.length - done, pieceBytes), position + done);
    if (got === 0) break;
    done += got;
    onMoved?.(got);
  }
  return done;
}

/** Writes all of `bytes` at `position`. */
export function writeAt(fd: number, bytes: Uint8Array, position: number, onMoved?: OnMoved): void {
  let done = 0;
  while (done < bytes.length) {
    const put = writeSync(fd, bytes, done, Math.min(bytes.length - done, pieceBytes), position + done);
    done += put;
    onMoved?.(put);
  }
}

/** Calls `onPiece` whenever 64 MB more have moved. */
export function everyPiece(onPiece: (() => void) | undefined): OnMoved | undefined {
  if (!onPiece) return undefined;
  let since = 0;
  return (bytes) => {
    since += bytes;
    if (since < pieceBytes) return;
    since = 0;
    onPiece();
  };
}

/** The bytes of a typed array, shared with it. */
export const bytesUnder = (array: ArrayBufferView): Uint8Array =>
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
  // Whatever lies there, a link to another place even, goes: it is not written through.
  rmSync(partial, { recursive: true, force: true });
  try {
    withFile(partial, 'wx', (fd) => {
      writeAt(fd, typeof content === 'string' ? Buffer.from(content) : content, 0);
      fsyncSync(fd);
    });
    renameSync(partial, path);
  } catch (error) {
    ifPossible(() => rmSync(partial, { force: true }));
    throw error;
  }
}

/** What a name has appended while the file or directory is being made or removed. */
export const partialSuffix = '.partial';

/** What a file system that has no hard links, or no more for this file, says when asked for one. */
const noLinks: readonly (string | undefined)[] = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EXDEV'];

/** Gives a file a second name, or copies it where the file system has no hard links. Fails if the name is taken (EEXIST). */
export function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    if (!noLinks.includes(errorCode(error))) throw error;
    copyFileSync(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    withFile(to, 'r+', fsyncSync);
  }
}

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

/** Does what is good to have done and cannot be done always, such as removing what nobody needs. */
export function ifPossible(act: () => void): void {
  try {
    act();
  } catch (error) {
    if (!errorCode(error)) throw error;
  }
}
