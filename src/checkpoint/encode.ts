// Turns numbers into bf16, the upper half of an f32 number: rounded to the nearest, and to the even one of two as near.
import type { FloatArray } from './dtypes.ts';
import type { SavedDtype } from './plan.ts';

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

/** From here on a number is nearer to 2^128, which the type does not have, than to its largest number. */
const past: Readonly<Record<SavedDtype, number>> = {
  BF16: 2 ** 128 - 2 ** 119,
  F32: 2 ** 128 - 2 ** 103,
  F64: Number.POSITIVE_INFINITY,
};

/** The first position of a finite number that would become an infinity, or -1. */
export function firstPast(dtype: SavedDtype, values: FloatArray): number {
  const limit = past[dtype];
  return values.findIndex((value) => Math.abs(value) >= limit && Number.isFinite(value));
}
