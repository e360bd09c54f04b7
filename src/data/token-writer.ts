// Writes a stream of tokens as little-endian Int32: hashed, atomic, within the space that the disk has.

import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, open, rename, rm, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fail } from '../errors.ts';
import { sweepBeside, temporaryBeside } from '../files/owned-names.ts';
import { errorCode, reasonOf } from '../files/system-errors.ts';

/** Tokens a writer holds before it writes them: 4 MiB. */
const buffered = 1 << 20;
/** Bytes left free: what else writes there must not fail because of the tokens. */
const reserve = 64 << 20;

/** A place in the stream to go back to. */
export interface Mark {
  readonly tokens: number;
  readonly hash: ReturnType<typeof createHash>;
}

/** Collects tokens, and their hash, in a temporary file beside `path`, which appears, complete, only with `publish`. */
export class TokenWriter {
  readonly path: string;
  /** Tokens given so far. */
  tokens = 0;
  #file: FileHandle | undefined;
  #buffer = new Int32Array(buffered);
  #held = 0;
  #hash = createHash('sha256');
  readonly #reserveBytes: number;

  private constructor(path: string, file: FileHandle, reserveBytes: number) {
    this.path = path;
    this.#file = file;
    this.#reserveBytes = reserveBytes;
  }

  /**
   * @param expectedBytes that will be written at least: they must fit
   * @param reserveBytes that stay free on the disk, now and while it is written; default 64 MiB, or a hundredth of a small disk
   * @throws OUT_UNWRITABLE
   */
  static async create(path: string, expectedBytes = 0, reserveBytes?: number): Promise<TokenWriter> {
    return unlessUnwritable(path, async () => {
      await mkdir(dirname(path), { recursive: true });
      sweepBeside(path);
      const { blocks, bsize } = await statfs(dirname(path));
      const reserved = reserveBytes ?? Math.min(reserve, (blocks * bsize) / 100);
      await checkSpace(path, expectedBytes, reserved);
      return new TokenWriter(path, await open(temporaryBeside(path), 'w'), reserved);
    });
  }

  async write(tokens: Int32Array): Promise<void> {
    this.#hash.update(tokens);
    for (let start = 0; start < tokens.length; ) {
      const part = tokens.subarray(start, start + buffered - this.#held);
      this.#buffer.set(part, this.#held);
      this.#held += part.length;
      start += part.length;
      if (this.#held === buffered) await this.#flush(this.tokens + start);
    }
    this.tokens += tokens.length;
  }

  mark(): Mark {
    return { tokens: this.tokens, hash: this.#hash.copy() };
  }

  /** As if nothing had been written since the mark, which can be gone back to once. */
  async goBack({ tokens, hash }: Mark): Promise<void> {
    const inFile = this.tokens - this.#held;
    if (tokens >= inFile) this.#held = tokens - inFile;
    else {
      await unlessUnwritable(this.path, async () => this.#file?.truncate(tokens * 4));
      this.#held = 0;
    }
    this.tokens = tokens;
    this.#hash = hash;
  }

  /** All is on the disk, still under the temporary name. Returns the SHA-256 in hex of the tokens. */
  async finish(): Promise<string> {
    await this.#flush(this.tokens);
    await unlessUnwritable(this.path, async () => {
      await this.#file?.sync();
      await this.#close();
    });
    // Several streams may wait for one another.
    this.#buffer = new Int32Array(0);
    return this.#hash.digest('hex');
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

  /** @param end tokens of the stream up to the end of the buffer */
  async #flush(end: number): Promise<void> {
    // Int32Array holds the host's byte order; every host Node and ONNX Runtime have builds for is little-endian.
    const bytes = new Uint8Array(this.#buffer.buffer, 0, this.#held * 4);
    const position = (end - this.#held) * 4;
    await unlessUnwritable(this.path, async () => {
      await checkSpace(this.path, bytes.length, this.#reserveBytes);
      for (let done = 0; done < bytes.length; )
        done += (await this.#file!.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
    });
    this.#held = 0;
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
    problem: `${megabytes(bytes)} of tokens do not fit: ${megabytes(free)} are free, and ${megabytes(reserveBytes)} have to stay so`,
    fix: 'make room there, or use another folder (TMPDIR names the one for temporary files)',
  });
}

const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1e6)} MB`;

async function unlessUnwritable<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const code = errorCode(error);
    if (!code) throw error;
    return fail('OUT_UNWRITABLE', { path, problem: reasonOf(code) });
  }
}
