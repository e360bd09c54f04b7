// The local kernels against plain loops, published random vectors, and statistics.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { adamw, normalFill, philox, sumSquares } from './local.ts';
import type { Floats } from './local-kernels.ts';
import { growableMemory, lendToKernels, pageBytes } from './wasm.ts';

const settings = { learningRate: 1e-2, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, gradScale: 0.5 };

/** PyTorch's formula, element by element in double precision. */
function adamwReference(p: Floats, g: Floats, m: Floats, v: Floats, step: number): void {
  const { learningRate, beta1, beta2, epsilon, weightDecay, gradScale } = settings;
  for (let i = 0; i < p.length; i++) {
    const grad = g[i]! * gradScale;
    p[i] = p[i]! * (1 - learningRate * weightDecay);
    m[i] = beta1 * m[i]! + (1 - beta1) * grad;
    v[i] = beta2 * v[i]! + (1 - beta2) * grad * grad;
    const mHat = m[i]! / (1 - beta1 ** step);
    const vHat = v[i]! / (1 - beta2 ** step);
    p[i] = p[i]! - (learningRate * mHat) / (Math.sqrt(vHat) + epsilon);
  }
}

/** Compared as text: a fast and exact equality. */
const bits = (vector: Floats): string =>
  Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString('latin1');
const wave = (length: number, offset: number): Float64Array =>
  Float64Array.from({ length }, (_, i) => Math.sin(i * 1.7 + offset));

describe.each([
  ['f32', Float32Array, 3e-6],
  ['f64', Float64Array, 1e-14],
] as const)('%s', (_, Type, tolerance) => {
  test.each([0, 1, 3, 17, 1000, 20_011])('adamw of %i elements follows the formula for three steps', (length) => {
    const [param, m, v] = [Type.from(wave(length, 0)), new Type(length), new Type(length)];
    const [p, mRef, vRef] = [Float64Array.from(param), new Float64Array(length), new Float64Array(length)];
    for (let step = 1; step <= 3; step++) {
      const grad = Type.from(wave(length, step));
      const biasCorrection1 = 1 - settings.beta1 ** step;
      const biasCorrection2 = 1 - settings.beta2 ** step;
      adamw({ param, grad, firstMoment: m, secondMoment: v, ...settings, biasCorrection1, biasCorrection2 });
      adamwReference(p, grad, mRef, vRef, step);
    }
    const worst = param.reduce((most: number, value: number, i: number) => Math.max(most, Math.abs(value - p[i]!)), 0);
    // f32: a few roundings of numbers near one; f64: the same in its last digits.
    expect(worst).toBeLessThanOrEqual(tolerance);
    expect(m.every((value: number, i: number) => Math.abs(value - mRef[i]!) < tolerance)).toBe(true);
    expect(v.every((value: number, i: number) => Math.abs(value - vRef[i]!) < tolerance)).toBe(true);
  });

  test('adamw gives an element the same bits wherever a shard boundary puts it', () => {
    const length = 1003;
    const make = () => ({
      param: Type.from(wave(length, 1)),
      grad: Type.from(wave(length, 2)),
      firstMoment: new Type(length),
      secondMoment: new Type(length),
    });
    const whole = make();
    const rest = { ...settings, biasCorrection1: 0.1, biasCorrection2: 0.05 };
    adamw({ ...whole, ...rest });
    const parts = make();
    for (const [from, to] of [
      [0, 5],
      [5, 500],
      [500, length],
    ] as const) {
      const cut = (vector: Floats): Floats => vector.subarray(from, to);
      const { param, grad, firstMoment, secondMoment } = parts;
      adamw({
        param: cut(param),
        grad: cut(grad),
        firstMoment: cut(firstMoment),
        secondMoment: cut(secondMoment),
        ...rest,
      });
    }
    expect(bits(parts.param) === bits(whole.param)).toBe(true);
  });

  test('adamw in place gives the bits that it gives elsewhere', () => {
    const length = 20_011;
    const memory = growableMemory(20);
    memory.grow(19);
    lendToKernels(memory.buffer, memory);
    const rest = { ...settings, biasCorrection1: 0.1, biasCorrection2: 0.05 };
    const names = ['param', 'grad', 'firstMoment', 'secondMoment'] as const;
    // Each but the first at an odd element, some bytes apart from the next.
    const over = (buffer: ArrayBufferLike, i: number): Floats =>
      new Type(buffer as ArrayBuffer, pageBytes + i * (length + 3) * Type.BYTES_PER_ELEMENT, length);
    const make = (buffer: ArrayBufferLike) =>
      Object.fromEntries(
        names.map((name, i) => {
          const vector = over(buffer, i);
          vector.set(wave(length, i).map(Math.abs));
          return [name, vector];
        }),
      ) as Record<(typeof names)[number], Floats>;
    const [there, elsewhere] = [make(memory.buffer), make(new ArrayBuffer(20 * pageBytes))];
    adamw({ ...there, ...rest });
    adamw({ ...elsewhere, ...rest });
    for (const name of names) expect(bits(there[name]) === bits(elsewhere[name]), name).toBe(true);
  });

  test('sumSquares equals a plain sum', () => {
    fc.assert(
      fc.property(fc.nat(20_000), fc.nat(100), (length, offset) => {
        const vector = Type.from(wave(length, offset));
        const want = vector.reduce((sum: number, x: number) => sum + x * x, 0);
        expect(Math.abs(sumSquares(vector) - want)).toBeLessThanOrEqual(1e-11 * (1 + want));
      }),
      { numRuns: 30 },
    );
  });

  test('sumSquares adds in double precision', () => {
    const vector = new Type(10_001).fill(2 ** -13);
    vector[0] = 2 ** 12; // in f32 the small squares would all be lost
    expect(sumSquares(vector)).toBe(2 ** 24 + 10_000 * 2 ** -26);
  });

  test('a number of a stream depends on its index alone', () => {
    const stream = { key: 7 + 42 * 2 ** 32, std: 0.02 };
    const whole = new Type(20_003);
    normalFill(whole, { ...stream, start: 0 });
    fc.assert(
      fc.property(fc.nat(20_003), fc.nat(9000), (start, length) => {
        const part = new Type(Math.min(length, 20_003 - start));
        normalFill(part, { ...stream, start });
        expect(bits(part) === bits(whole.subarray(start, start + part.length))).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  test('indices beyond 2^32 make other numbers than those they would wrap to', () => {
    const [low, high] = [new Type(4), new Type(4)];
    normalFill(low, { start: 0, key: 5, std: 1 });
    normalFill(high, { start: 2 ** 33, key: 5, std: 1 });
    expect(high).not.toEqual(low);
  });

  test('the numbers are normal', () => {
    const n = 200_000;
    const x = new Type(n);
    normalFill(x, { start: 11, key: 3, std: 1 });
    const moment = (power: number): number => x.reduce((sum: number, value: number) => sum + value ** power, 0) / n;
    // Five standard errors of each moment's estimate: sqrt(var / n) with var = 1, 2, 15, 96.
    expect(Math.abs(moment(1))).toBeLessThan(5 * Math.sqrt(1 / n));
    expect(Math.abs(moment(2) - 1)).toBeLessThan(5 * Math.sqrt(2 / n));
    expect(Math.abs(moment(3))).toBeLessThan(5 * Math.sqrt(15 / n));
    expect(Math.abs(moment(4) - 3)).toBeLessThan(5 * Math.sqrt(96 / n));
    const neighbours = x.reduce((sum: number, value: number, i: number) => sum + value * (x[i + 1] ?? 0), 0) / n;
    expect(Math.abs(neighbours)).toBeLessThan(5 * Math.sqrt(1 / n));
  });
});

test('both halves of the key choose the stream', () => {
  const streams = [0, 1, 2 ** 32, 2 ** 32 + 1].map((key) => {
    const vector = new Float64Array(6);
    normalFill(vector, { start: 0, key, std: 1 });
    return bits(vector);
  });
  expect(new Set(streams).size).toBe(4);
});

test('f32 numbers are the f64 ones, rounded', () => {
  const [f32, f64] = [new Float32Array(999), new Float64Array(999)];
  for (const vector of [f32, f64]) normalFill(vector, { start: 5, key: Number.MAX_SAFE_INTEGER, std: 0.3 });
  expect(f32).toEqual(Float32Array.from(f64));
});

// The known-answer vectors of Random123 (kat_vectors, philox4x32 10).
test.each([
  [
    [0, 0, 0, 0],
    [0, 0],
    [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
  ],
  [
    [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    [0xffffffff, 0xffffffff],
    [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  ],
  [
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    [0xa4093822, 0x299f31d0],
    [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  ],
] as const)('philox4x32-10 of counter %j and key %j', (counter, key, words) => {
  expect([...philox(counter, key)]).toEqual(words);
});
