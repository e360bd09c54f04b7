// Rounding to bf16 against exact arithmetic in whole numbers of any size.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeBF16 } from './decode.ts';
import { encodeBF16, firstPast } from './encode.ts';

const bitsOf = (value: number): bigint => new BigUint64Array(Float64Array.of(value).buffer)[0]!;
const doubleOf = (bits: bigint): number => new Float64Array(BigUint64Array.of(bits).buffer)[0]!;

/** The bf16 number next to a double, the even one of two as near: a fraction of whole numbers, divided and compared. */
function naive(value: number): number {
  const bits = bitsOf(value);
  const sign = Number(bits >> 63n) << 15;
  const exponent = Number((bits >> 52n) & 0x7ffn);
  const fraction = bits & ((1n << 52n) - 1n);
  if (exponent === 0x7ff) return sign | 0x7f80;
  // |value| = mantissa * 2^power.
  const mantissa = exponent === 0 ? fraction : fraction | (1n << 52n);
  const power = Math.max(exponent, 1) - 1075;
  if (mantissa === 0n) return sign;
  const highest = Math.max(power + mantissa.toString(2).length - 1, -126);
  // In units of the bf16 numbers there: they have 8 binary digits.
  const shift = power - (highest - 7);
  const [above, below] = shift >= 0 ? [mantissa << BigInt(shift), 1n] : [mantissa, 1n << BigInt(-shift)];
  const whole = above / below;
  const twice = 2n * (above % below);
  const units = twice > below || (twice === below && whole % 2n === 1n) ? whole + 1n : whole;
  return sign | Math.min(0x7f80, ((highest + 127) << 7) + Number(units) - 128);
}

const encode = (value: number, exact: 'f32' | 'f64'): number => {
  const out = new Uint16Array(1);
  encodeBF16(exact === 'f32' ? Float32Array.of(value) : Float64Array.of(value), out);
  return out[0]!;
};

/** A double so many steps beside the middle of two neighbouring bf16 numbers. */
const besideAMiddle = fc
  .tuple(fc.nat(0x7f7f), fc.boolean(), fc.integer({ min: -2, max: 2 }), fc.constantFrom(1n, 1n << 29n, 1n << 20n))
  .map(([half, negative, steps, size]) => {
    const middle = new Float32Array(Uint32Array.of((half << 16) | 0x8000).buffer)[0]!;
    const value = doubleOf(bitsOf(middle) + BigInt(steps) * size);
    return negative ? -value : value;
  });

test('every number rounds as exact arithmetic says', () => {
  const anyBits = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(doubleOf);
  const nearOne = fc.double({ min: -4, max: 4, noNaN: true });
  const withinF32 = fc.float();
  fc.assert(
    fc.property(fc.oneof(besideAMiddle, anyBits, nearOne, withinF32), (value) => {
      fc.pre(!Number.isNaN(value));
      expect(encode(value, 'f64').toString(16)).toBe(naive(value).toString(16));
      const single = Math.fround(value);
      expect(encode(single, 'f32').toString(16)).toBe(naive(single).toString(16));
    }),
    { numRuns: 5000 },
  );
});

test('a bf16 number stays what it is, NaN stays NaN', () => {
  const all = Uint16Array.from({ length: 65536 }, (_, i) => i);
  const values = new Float32Array(65536);
  decodeBF16(all, values);
  const back = new Uint16Array(65536);
  encodeBF16(values, back);
  const again = new Float32Array(65536);
  decodeBF16(back, again);
  expect(all.filter((half, i) => half !== back[i] && !Number.isNaN(values[i]!))).toEqual(new Uint16Array());
  expect(values.every((value, i) => Object.is(value, again[i]))).toBe(true);
  for (const nan of [0x7f800001, 0x7fffffff, 0xffffffff, 0xff808000]) {
    const [value] = new Float32Array(Uint32Array.of(nan).buffer);
    expect(encode(value!, 'f32') & 0x7fc0).toBe(0x7fc0);
  }
});

test('what would become an infinity is found', () => {
  const largest = (2 - 2 ** -7) * 2 ** 127;
  const middle = 2 ** 128 - 2 ** 119;
  const below = doubleOf(bitsOf(middle) - 1n);
  for (const value of [1, largest, below, -below, Number.POSITIVE_INFINITY, Number.NaN]) {
    expect(firstPast('BF16', Float64Array.of(0, value))).toBe(-1);
  }
  expect(encode(below, 'f64')).toBe(0x7f7f);
  for (const value of [middle, -middle, 1e300]) {
    expect(firstPast('BF16', Float64Array.of(0, value))).toBe(1);
    expect(encode(value, 'f64') & 0x7fff).toBe(0x7f80);
  }
  const single = 2 ** 128 - 2 ** 103;
  const justBelow = doubleOf(bitsOf(single) - 1n);
  expect(firstPast('F32', Float64Array.of(justBelow, -single))).toBe(1);
  expect([Math.fround(justBelow), Math.fround(-single)]).toEqual([(2 - 2 ** -23) * 2 ** 127, Number.NEGATIVE_INFINITY]);
  expect(firstPast('F64', Float64Array.of(Number.MAX_VALUE))).toBe(-1);
});
