// Files of tokens: little-endian Int32, or Uint16 when the name ends in .u16.bin; written atomically, read by position.
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fail } from '../errors.ts';
import { sweepBeside, temporaryBeside } from '../temporary.ts';

/** What a token file holds: 4 or 2 bytes a token. */
export type TokenType = 'i32' | 'u16';

/**
 * The token type of a file by its name, undefined when it is no token file.
 * @throws OPTION_INVALID for a .bin whose name does not tell
 */
export function tokenTypeOf(path: string): TokenType | undefined {
  if (path.endsWith('.u16.bin')) return 'u16';
  if (path.endsWith('.i32.bin')) return 'i32';
  if (!path.endsWith('.bin')) return undefined;
  const name = path.slice(0, -'.bin'.length);
  return fail('OPTION_INVALID', {
    option: path,
    problem: 'the name does not say whether its tokens are 16 or 32 bits wide',
    fix: `rename it ${name}.u16.bin or ${name}.i32.bin`,
  });
}

/** Reads slices of a token file; holds an open file, so close it. */
export interface TokenReader {
  /** Tokens in the file. */
  readonly tokens: number;
  /** Bytes a token takes in it: 4 or 2. */
  readonly tokenBytes: number;
  /** Tokens [start, start + count). */
  read(start: number, count: number): Int32Array;
  close(): void;
}

/** @throws DATA_MISSING when the file cannot be read, is cut short, or is no whole number of tokens long */
export function openTokens(path: string): TokenReader {
  const width = path.endsWith('.u16.bin') ? 2 : 4;
  const missing = (problem: string): never =>
    fail('DATA_MISSING', { path, problem, fix: 'give the file prepared from the data, or .u16.bin/.i32.bin tokens' });
  let file: number;
  let bytes: number;
  try {
    bytes = statSync(path).size;
    file = openSync(path, 'r');
  } catch (error) {
    return missing(error instanceof Error ? error.message : String(error));
  }
  if (bytes % width !== 0) {
    closeSync(file);
    return missing(`its ${bytes} bytes are no whole number of ${width}-byte tokens`);
  }
  return {
    tokens: bytes / width,
    tokenBytes: width,
    read(start, count) {
      const values = width === 4 ? new Int32Array(count) : new Uint16Array(count);
      let done = 0;
      // A read may give less than asked for, on network file systems for instance.
      while (done < values.byteLength) {
        const got = readSync(file, values, { offset: done, position: start * width + done });
        if (got === 0) missing(`it ends before token ${start + count}`);
        done += got;
      }
      return values instanceof Int32Array ? values : Int32Array.from(values);
    },
    close: () => closeSync(file),
  };
}

/** Tokens a writer holds before it writes them: 4 MiB. */
const BUFFERED = 1 << 20;

/** Collects tokens in a temporary file beside `path`, which appears, complete, only when `commit` is done. */
export class TokenWriter {
  readonly path: string;
  /** Tokens given so far. */
  tokens = 0;
  #file: FileHandle;
  #buffer = new Int32Array(BUFFERED);
  #held = 0;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  /** @throws OUT_UNWRITABLE */
  static async create(path: string): Promise<TokenWriter> {
    return unlessUnwritable(path, async () => {
      await mkdir(dirname(path), { recursive: true });
      sweepBeside(path);
      return new TokenWriter(path, await open(temporaryBeside(path), 'w'));
    });
  }

  async write(tokens: Int32Array): Promise<void> {
    for (let start = 0; start < tokens.length; ) {
      const part = tokens.subarray(start, start + BUFFERED - this.#held);
      this.#buffer.set(part, this.#held);
      this.#held += part.length;
      start += part.length;
      if (this.#held === BUFFERED) await this.#flush();
    }
    this.tokens += tokens.length;
  }

  /** The file takes its name, after its content is on the disk. */
  async commit(): Promise<void> {
    await this.#flush();
    await unlessUnwritable(this.path, async () => {
      await this.#file.sync();
      await this.#file.close();
      await rename(temporaryBeside(this.path), this.path);
    });
  }

  /** Leaves nothing behind. */
  async abort(): Promise<void> {
    await this.#file.close();
    await rm(temporaryBeside(this.path), { force: true });
  }

  async #flush(): Promise<void> {
    // Int32Array holds the host's byte order; every host Node and ONNX Runtime have builds for is little-endian.
    const bytes = new Uint8Array(this.#buffer.buffer, 0, this.#held * 4);
    await unlessUnwritable(this.path, async () => {
      for (let done = 0; done < bytes.length; ) done += (await this.#file.write(bytes, done)).bytesWritten;
    });
    this.#held = 0;
  }
}

async function unlessUnwritable<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    return fail('OUT_UNWRITABLE', { path, problem: error instanceof Error ? error.message : String(error) });
  }
}
