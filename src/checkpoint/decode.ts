// Turns the little-endian bytes of a tensor into numbers, and finds numbers that are not finite.
import type { FloatArray, ReadableDtype, TensorArray } from './dtypes.ts';

/** Numbers of `dtype` at `offset` bytes of `bytes` → `out[at .. at + count)`. F64 into a Float32Array rounds; all else is exact. */
export function decode(
  dtype: ReadableDtype,
  bytes: ArrayBuffer,
  offset: number,
  out: TensorArray,
  at: number,
  count: number,
): void {
  if (out instanceof BigInt64Array) out.set(new BigInt64Array(bytes, offset, count), at);
  else if (out instanceof Int32Array) out.set(new Int32Array(bytes, offset, count), at);
  else if (dtype === 'F32') out.set(new Float32Array(bytes, offset, count), at);
  else if (dtype === 'F64') out.set(new Float64Array(bytes, offset, count), at);
  else {
    const halves = new Uint16Array(bytes, offset, count);
    const target = out instanceof Float32Array ? out.subarray(at, at + count) : new Float32Array(count);
    if (dtype === 'BF16') decodeBF16(halves, target);
    else decodeF16(halves, target);
    if (target.buffer !== out.buffer) out.set(target, at);
  }
}

/** A bf16 number is the upper half of an f32 number. */
export function decodeBF16(halves: Uint16Array, out: Float32Array): void {
  const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < halves.length; i++) bits[i] = halves[i]! << 16;
}

// Exponent and fraction of an f16 number, put in the place they have in an f32 number, make a number 2^112 too small: the
// exponents' biases are 15 and 127. Multiplying is exact and right for subnormal numbers too; only Inf and NaN (exponent 31)
// come out finite and are made anew.
const biasScale = 2 ** 112;

export function decodeF16(halves: Uint16Array, out: Float32Array): void {
  const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < halves.length; i++) {
    const half = halves[i]!;
    bits[i] = ((half & 0x8000) << 16) | ((half & 0x7fff) << 13);
    if ((half & 0x7c00) === 0x7c00) bits[i] = bits[i]! | 0x7f800000;
    else out[i] = out[i]! * biasScale;
  }
}

/** The first position in `values[start .. end)` that holds NaN or an infinity, or -1. */
export function firstNonFinite(values: FloatArray, start: number, end: number): number {
  // x * 0 is 0 for every finite x, NaN for the others, and NaN stays NaN in a sum. Four sums, so that none waits for another.
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  let i = start;
  for (; i + 3 < end; i += 4) {
    a += values[i]! * 0;
    b += values[i + 1]! * 0;
    c += values[i + 2]! * 0;
    d += values[i + 3]! * 0;
  }
  for (; i < end; i++) a += values[i]! * 0;
  if (a + b + c + d === 0) return -1;
  for (i = start; Number.isFinite(values[i]!); i++);
  return i;
}
