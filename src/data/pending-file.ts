// A file that is written under a temporary name, within the space that the disk has, and takes its own when it is complete.
import { type FileHandle, mkdir, open, rename, rm, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fail, memory } from '../errors.ts';
import { sweepBeside, temporaryBeside } from '../files/owned-names.ts';
import { errorCode, reasonOf } from '../files/system-errors.ts';

/** Bytes left free: what else writes there must not fail because of the tokens. */
const reserve = 64 << 20;

export class PendingFile {
  readonly path: string;
  #file: FileHandle | undefined;
  readonly #reserveBytes: number;

  private constructor(path: string, file: FileHandle, reserveBytes: number) {
    this.path = path;
    this.#file = file;
    this.#reserveBytes = reserveBytes;
  }

  /**
   * @param expectedBytes that will be written at least: they must fit
   * @param reserveBytes that stay free on the disk, now and while it is written; default 64 MiB, or a hundredth of a small disk
   * @throws OUT_UNWRITABLE, as do the others
   */
  static async create(path: string, expectedBytes = 0, reserveBytes?: number): Promise<PendingFile> {
    return unlessUnwritable(path, async () => {
      await mkdir(dirname(path), { recursive: true });
      sweepBeside(path);
      const { blocks, bsize } = await statfs(dirname(path));
      const reserved = reserveBytes ?? Math.min(reserve, (blocks * bsize) / 100);
      await checkSpace(path, expectedBytes, reserved);
      return new PendingFile(path, await open(temporaryBeside(path), 'w'), reserved);
    });
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    await unlessUnwritable(this.path, async () => {
      await checkSpace(this.path, bytes.length, this.#reserveBytes);
      for (let done = 0; done < bytes.length; )
        done += (await this.#file!.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
    });
  }

  async truncate(bytes: number): Promise<void> {
    await unlessUnwritable(this.path, async () => this.#file?.truncate(bytes));
  }

  /** All is on the disk, still under the temporary name. */
  async finish(): Promise<void> {
    await unlessUnwritable(this.path, async () => {
      await this.#file?.sync();
      await this.#close();
    });
  }

  /** The file takes its name, after `finish`. */
  async publish(): Promise<void> {
    await unlessUnwritable(this.path, () => rename(temporaryBeside(this.path), this.path));
  }

  /** Leaves nothing behind. */
  async abort(): Promise<void> {
    await this.#close();
    await rm(temporaryBeside(this.path), { force: true });
  }

  async #close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }
}

/** @throws OUT_UNWRITABLE, naming the folder */
async function checkSpace(path: string, bytes: number, reserveBytes: number): Promise<void> {
  const folder = dirname(path);
  const { bavail, blocks, bsize } = await statfs(folder);
  const free = bavail * bsize;
  // Some network file systems do not tell.
  if (blocks === 0 || free >= bytes + reserveBytes) return;
  fail('OUT_UNWRITABLE', {
    path: folder,
    problem: `${memory(bytes)} of tokens do not fit: ${memory(free)} are free, and ${memory(reserveBytes)} have to stay so`,
    fix,
  });
}

const another = 'use another folder (TMPDIR names the one for temporary files)';
const fix = `make room there, or ${another}`;

async function unlessUnwritable<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const code = errorCode(error);
    if (!code) throw error;
    return fail('OUT_UNWRITABLE', {
      path: dirname(path),
      problem: reasonOf(code),
      fix: code === 'ENOSPC' ? fix : another,
    });
  }
}
