// Every f16 and bf16 number against the formula of its format; finding numbers that are not finite.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decode, firstNonFinite } from './decode.ts';

/** A number from its sign, exponent and fraction bits, by the definition of an IEEE format. */
function byDefinition(bits: number, exponentBits: number, fractionBits: number): number {
  const sign = bits >> (exponentBits + fractionBits) === 0 ? 1 : -1;
  const exponent = (bits >> fractionBits) & (2 ** exponentBits - 1);
  const fraction = bits & (2 ** fractionBits - 1);
  const bias = 2 ** (exponentBits - 1) - 1;
  if (exponent === 2 ** exponentBits - 1) return fraction === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * fraction * 2 ** (1 - bias - fractionBits);
  return sign * (1 + fraction / 2 ** fractionBits) * 2 ** (exponent - bias);
}

const allHalves = Uint16Array.from({ length: 65536 }, (_, i) => i);

for (const { dtype, exponentBits, fractionBits } of [
  { dtype: 'F16', exponentBits: 5, fractionBits: 10 },
  { dtype: 'BF16', exponentBits: 8, fractionBits: 7 },
] as const) {
  const expected = Float64Array.from(allHalves, (bits) => byDefinition(bits, exponentBits, fractionBits));
  test(`all 65536 numbers of ${dtype} are exact, subnormal, infinite and NaN ones too`, () => {
    for (const out of [new Float32Array(65536), new Float64Array(65536)]) {
      decode(dtype, allHalves.buffer, 0, out, 0, 65536);
      const wrong = allHalves.findIndex((i) => !Object.is(out[i], expected[i]));
      expect(wrong, `bits ${wrong.toString(16)} gave ${out[wrong]}, not ${expected[wrong]}`).toBe(-1);
    }
  });
}

test('numbers land at their place and nowhere else', () => {
  const out = new Float32Array(5).fill(9);
  decode('BF16', Uint16Array.of(0x3f80, 0x4000, 0x4040).buffer, 2, out, 1, 2);
  expect([...out]).toEqual([9, 2, 3, 9, 9]);
});

test('the first NaN or infinity is found wherever it is, and finite numbers are never refused', () => {
  const numbers = fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { maxLength: 40 });
  fc.assert(
    fc.property(numbers, fc.nat(60), fc.constantFrom(NaN, Infinity, -Infinity), (values, at, bad) => {
      expect(firstNonFinite(Float64Array.from(values), 0, values.length)).toBe(-1);
      const damaged = Float64Array.from(values);
      if (at < values.length) damaged[at] = bad;
      expect(firstNonFinite(damaged, 0, values.length)).toBe(at < values.length ? at : -1);
      expect(firstNonFinite(damaged, 0, Math.min(at, values.length))).toBe(-1);
    }),
  );
});
