// Memory shared by threads as it is used in earnest, and copies between it and a caller's private vectors.
//
// TypedArray.set into shared memory goes word by word (about 31 GB/s in cache); Buffer.fill with bytes as its value is one
// memcpy (about 120 GB/s). Both sides agree on who may touch what before they copy, so no atomicity is needed.
import { Buffer } from 'node:buffer';
import type { Vector } from '../transport.ts';
import type { SharedMemory } from './shared-memory.ts';
import { type Blocked, publish, type Waiter } from './waiter.ts';

export class SharedBytes implements SharedMemory {
  readonly #buffer: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #waiter: Waiter;
  readonly #loopElements: number;
  readonly #floats: Float32Array;
  readonly #doubles: Float64Array;
  readonly #bytes: Buffer;

  /** `buffer`'s length must be a multiple of 8; `loopElements` is that of TransportLimits. */
  constructor(buffer: SharedArrayBuffer, waiter: Waiter, loopElements: number) {
    this.#buffer = buffer;
    this.#words = new Int32Array(buffer);
    this.#waiter = waiter;
    this.#loopElements = loopElements;
    this.#floats = new Float32Array(buffer);
    this.#doubles = new Float64Array(buffer);
    this.#bytes = Buffer.from(buffer);
  }

  read(word: number): number {
    return this.#words[word]!;
  }

  write(word: number, value: number): void {
    this.#words[word] = value;
  }

  load(word: number): number {
    return Atomics.load(this.#words, word);
  }

  publish(word: number, value: number): void {
    publish(this.#words, word, value);
  }

  wait(word: number, value: number, blocked: Blocked): void {
    this.#waiter.whileEqual(word, value, blocked, this.#words);
  }

  copyIn(at: number, source: Vector, start: number, count: number): void {
    if (count > this.#loopElements) {
      const bytes = count * source.BYTES_PER_ELEMENT;
      const from = new Uint8Array(source.buffer, source.byteOffset + start * source.BYTES_PER_ELEMENT, bytes);
      this.#bytes.fill(from, at, at + bytes);
    } else if (source instanceof Float32Array) {
      const first = at / 4;
      for (let i = 0; i < count; i++) this.#floats[first + i] = source[start + i]!;
    } else if (source instanceof Float64Array) {
      const first = at / 8;
      for (let i = 0; i < count; i++) this.#doubles[first + i] = source[start + i]!;
    } else {
      const first = at / 4;
      for (let i = 0; i < count; i++) this.#words[first + i] = source[start + i]!;
    }
  }

  copyOut(at: number, target: Vector, start: number, count: number): void {
    if (count > this.#loopElements) {
      const bytes = count * target.BYTES_PER_ELEMENT;
      const from = new Uint8Array(this.#buffer, at, bytes);
      const to = Buffer.from(target.buffer, target.byteOffset + start * target.BYTES_PER_ELEMENT, bytes);
      to.fill(from, 0, bytes);
    } else if (target instanceof Float32Array) {
      const first = at / 4;
      for (let i = 0; i < count; i++) target[start + i] = this.#floats[first + i]!;
    } else if (target instanceof Float64Array) {
      const first = at / 8;
      for (let i = 0; i < count; i++) target[start + i] = this.#doubles[first + i]!;
    } else {
      const first = at / 4;
      for (let i = 0; i < count; i++) target[start + i] = this.#words[first + i]!;
    }
  }
}
