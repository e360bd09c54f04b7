// Turns numbers into bf16, the upper half of an f32 number: rounded to the nearest, and to the even one of two as near.
import type { FloatArray } from './dtypes.ts';

/** `values` → the bits of bf16 numbers. What is past the largest bf16 number becomes an infinity; NaN stays NaN. */
export function encodeBF16(values: FloatArray, out: Uint16Array): void {
  const single = new Float32Array(1);
  const bits = new Uint32Array(single.buffer);
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    single[0] = value;
    let word = bits[0]!;
    // A double just beside the middle of two bf16 numbers rounds to that middle: one step back towards it decides rightly.
    if ((word & 0xffff) === 0x8000 && single[0] !== value) word += Math.abs(single[0]!) > Math.abs(value) ? -1 : 1;
    // Adding could carry a NaN's fraction into its sign.
    out[i] = Number.isNaN(value) ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
}

/** From here on a number is nearer to 2^128, which bf16 does not have, than to its largest number. */
const pastBF16 = 2 ** 128 - 2 ** 119;

/** The first position of a finite number that would become an infinity, or -1. */
export const firstPastBF16 = (values: FloatArray): number =>
  values.findIndex((value) => Math.abs(value) >= pastBF16 && Number.isFinite(value));
