// Copies between a caller's private vectors and memory shared by threads.
//
// TypedArray.set into shared memory goes word by word (about 31 GB/s in cache); Buffer.fill with bytes as its value is one
// memcpy (about 120 GB/s). Both sides agree on who may touch what before they copy, so no atomicity is needed.
import { Buffer } from 'node:buffer';
import type { Vector } from '../transport.ts';

/** Up to this many elements a plain loop beats making views. */
const loopLength = 32;

export class SharedBytes {
  readonly buffer: SharedArrayBuffer;
  readonly words: Int32Array;
  readonly #floats: Float32Array;
  readonly #doubles: Float64Array;
  readonly #bytes: Buffer;

  /** `buffer`'s length must be a multiple of 8. */
  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.words = new Int32Array(buffer);
    this.#floats = new Float32Array(buffer);
    this.#doubles = new Float64Array(buffer);
    this.#bytes = Buffer.from(buffer);
  }

  /** Writes source[start .. start + count) at byte `at`, a multiple of the element's bytes. */
  copyIn(at: number, source: Vector, start: number, count: number): void {
    if (count > loopLength) {
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
      for (let i = 0; i < count; i++) this.words[first + i] = source[start + i]!;
    }
  }

  /** Reads target[start .. start + count) from byte `at`. */
  copyOut(at: number, target: Vector, start: number, count: number): void {
    if (count > loopLength) {
      const bytes = count * target.BYTES_PER_ELEMENT;
      const from = new Uint8Array(this.buffer, at, bytes);
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
      for (let i = 0; i < count; i++) target[start + i] = this.words[first + i]!;
    }
  }
}
