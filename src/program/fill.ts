// Filling memory that threads share: an array's own `fill` goes through it number by number, a buffer's copies what it is filled with.
import { Buffer } from 'node:buffer';
import type { Numbers } from './program.ts';

/** Sets the numbers [start, end) to `value`; undefined: all of them. */
export function fillNumbers(numbers: Numbers, value: number, start = 0, end = numbers.length): void {
  if (start >= end) return;
  const width = numbers.BYTES_PER_ELEMENT;
  const one = new (numbers.constructor as Float32ArrayConstructor)([value]);
  Buffer.from(numbers.buffer as ArrayBuffer, numbers.byteOffset + start * width, (end - start) * width).fill(
    new Uint8Array(one.buffer),
  );
}
