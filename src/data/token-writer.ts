// Writes a stream of tokens as little-endian Int32, and their hash.
import { createHash } from 'node:crypto';
import { PendingFile } from './pending-file.ts';

/** Tokens a writer holds before it writes them: 4 MiB. */
const buffered = 1 << 20;

/** A place in the stream to go back to. */
export interface Mark {
  readonly tokens: number;
  readonly hash: ReturnType<typeof createHash>;
}

/** Collects tokens, and their hash, in a temporary file beside `path`, which appears, complete, only with `publish`. */
export class TokenWriter {
  /** Tokens given so far. */
  tokens = 0;
  readonly #file: PendingFile;
  #buffer = new Int32Array(buffered);
  #held = 0;
  #hash = createHash('sha256');

  private constructor(file: PendingFile) {
    this.#file = file;
  }

  /** See `PendingFile.create`. @throws OUT_UNWRITABLE */
  static async create(path: string, expectedBytes = 0, reserveBytes?: number): Promise<TokenWriter> {
    return new TokenWriter(await PendingFile.create(path, expectedBytes, reserveBytes));
  }

  get path(): string {
    return this.#file.path;
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
      await this.#file.truncate(tokens * 4);
      this.#held = 0;
    }
    this.tokens = tokens;
    this.#hash = hash;
  }

  /** All is on the disk, still under the temporary name. Returns the SHA-256 in hex of the tokens. */
  async finish(): Promise<string> {
    await this.#flush(this.tokens);
    await this.#file.finish();
    // Several streams may wait for one another.
    this.#buffer = new Int32Array(0);
    return this.#hash.digest('hex');
  }

  /** The file takes its name, after `finish`. */
  publish(): Promise<void> {
    return this.#file.publish();
  }

  /** Leaves nothing behind. */
  abort(): Promise<void> {
    return this.#file.abort();
  }

  /** @param end tokens of the stream up to the end of the buffer */
  async #flush(end: number): Promise<void> {
    // Int32Array holds the host's byte order; every host Node and ONNX Runtime have builds for is little-endian.
    const bytes = new Uint8Array(this.#buffer.buffer, 0, this.#held * 4);
    await this.#file.write(bytes, (end - this.#held) * 4);
    this.#held = 0;
  }
}
