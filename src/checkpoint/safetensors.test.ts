// Reading files: every dtype, any slice, no more bytes than needed, and damage refused.
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fullRanges } from '../../test/full-ranges.ts';
import { temporaryFolder } from '../../test/temporary-folder.ts';
import { FivefoldError } from '../errors.ts';
import { elements } from '../program/program.ts';
import { type Dtype, dtypeBytes } from './dtypes.ts';
import { bytesUnder } from './files.ts';
import { encodeHeader } from './header.ts';
import { forEachRun, type Range, rangeElements } from './ranges.ts';
import { maxGapBytes, openSafetensors, type SafetensorsFile, stagingBytes } from './safetensors.ts';

const directory = temporaryFolder('safetensors');

interface Given {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly data: ArrayBufferView;
}

let files = 0;
function write(...tensors: Given[]): string {
  const path = join(directory, `${files++}.safetensors`);
  writeFileSync(path, Buffer.concat([encodeHeader(tensors), ...tensors.map(({ data }) => bytesUnder(data))]));
  return path;
}

function using<T>(path: string, use: (file: SafetensorsFile) => T): T {
  const file = openSafetensors(path);
  try {
    return use(file);
  } finally {
    file.close();
  }
}

/** Adds up the bytes that were read from the disk. */
function counter() {
  const count = {
    sum: 0,
    add: (bytes: number) => {
      count.sum += bytes;
    },
  };
  return count;
}

function codeOf(act: () => unknown): string {
  try {
    act();
    return 'no error';
  } catch (error) {
    return error instanceof FivefoldError ? error.code : String(error);
  }
}

test('every readable dtype comes back exactly, in each array it may be read into', () => {
  const shape = [2, 2];
  const path = write(
    { name: 'f64', dtype: 'F64', shape, data: Float64Array.of(1 / 3, -0, 5e-324, -1.5) },
    { name: 'f32', dtype: 'F32', shape, data: Float32Array.of(1 / 3, -0, 1e-45, -1.5) },
    { name: 'f16', dtype: 'F16', shape, data: Uint16Array.of(0x3c00, 0x8000, 0x0001, 0x7bff) },
    { name: 'bf16', dtype: 'BF16', shape, data: Uint16Array.of(0x3f80, 0x8000, 0x0001, 0x7f7f) },
    { name: 'i64', dtype: 'I64', shape, data: BigInt64Array.of(-(2n ** 63n), -1n, 0n, 2n ** 63n - 1n) },
    { name: 'i32', dtype: 'I32', shape, data: Int32Array.of(-(2 ** 31), -1, 0, 2 ** 31 - 1) },
  );
  using(path, (file) => {
    const read = <A extends Parameters<SafetensorsFile['readSlice']>[2]>(name: string, out: A) => {
      file.readSlice(name, fullRanges(shape), out);
      return [...out];
    };
    const single = [Math.fround(1 / 3), -0, 2 ** -149, -1.5];
    const half = [1, -0, 2 ** -24, 65504];
    const brain = [1, -0, 2 ** -133, (2 - 2 ** -7) * 2 ** 127];
    expect(read('f64', new Float64Array(4))).toEqual([1 / 3, -0, 5e-324, -1.5]);
    expect(read('f64', new Float32Array(4))).toEqual([Math.fround(1 / 3), -0, 0, -1.5]);
    for (const out of [new Float32Array(4), new Float64Array(4)]) {
      expect(read('f32', out)).toEqual(single);
      expect(read('f16', out)).toEqual(half);
      expect(read('bf16', out)).toEqual(brain);
    }
    expect(read('i64', new BigInt64Array(4))).toEqual([-(2n ** 63n), -1n, 0n, 2n ** 63n - 1n]);
    expect(read('i32', new Int32Array(4))).toEqual([-(2 ** 31), -1, 0, 2 ** 31 - 1]);
  });
});

const floatCase = fc
  .record({
    dtype: fc.constantFrom('F64', 'F32', 'F16', 'BF16'),
    shape: fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 4 }),
  })
  .chain(({ dtype, shape }) =>
    fc.record({
      dtype: fc.constant(dtype),
      shape: fc.constant(shape),
      ranges: fc
        .tuple(...shape.map((size) => fc.tuple(fc.nat(size), fc.nat(size))))
        .map((pairs) => (pairs as [number, number][]).map(([a, b]): Range => [Math.min(a, b), Math.max(a, b)])),
      wide: fc.boolean(),
    }),
  );

/** Small whole numbers, exact in every format, as the bits of `dtype`. */
function encodeWhole(dtype: Dtype, values: readonly number[]): ArrayBufferView {
  if (dtype === 'F64') return Float64Array.from(values);
  const single = Float32Array.from(values);
  if (dtype === 'F32') return single;
  const bits = new Uint32Array(single.buffer);
  if (dtype === 'BF16') return Uint16Array.from(bits, (b) => b >>> 16);
  return Uint16Array.from(bits, (b) => (b === 0 ? 0 : ((b >>> 16) & 0x8000) | (((b >>> 13) - (112 << 10)) & 0x7fff)));
}

test('any slice equals naive slicing, before and behind other tensors', () => {
  fc.assert(
    fc.property(floatCase, ({ dtype, shape, ranges, wide }) => {
      // Up to 128, the whole numbers are exact in bf16.
      const values = Array.from({ length: elements(shape) }, (_, i) => (i % 257) - 128);
      const other: Given = { name: 'before', dtype: 'BF16', shape: [1], data: Uint16Array.of(0x7fc0) };
      const path = write(
        other,
        { name: 'x', dtype, shape, data: encodeWhole(dtype, values) },
        { ...other, name: 'behind' },
      );
      const out = wide ? new Float64Array(rangeElements(ranges)) : new Float32Array(rangeElements(ranges));
      using(path, (file) => file.readSlice('x', ranges, out));
      const expected = ranges.reduce<number[]>(
        (found, [start, end], dim) =>
          found.flatMap((at) => Array.from({ length: end - start }, (_, i) => at * shape[dim]! + start + i)),
        [0],
      );
      expect([...out]).toEqual(expected.map((at) => values[at]));
    }),
    { numRuns: 200 },
  );
});

const columns = 6000;
const rows = 40;
const big = write({
  name: 'x',
  dtype: 'F32',
  shape: [rows, columns],
  data: Float32Array.from({ length: rows * columns }, (_, i) => i),
});

test.each([
  { what: 'rows', x: [10, 20], y: [0, columns], bytes: 10 * columns * 4 },
  { what: 'half of the columns', x: [0, rows], y: [0, columns / 2], bytes: (rows * columns * 4) / 2 },
  { what: 'one column', x: [0, rows], y: [7, 8], bytes: rows * 4 },
  { what: 'nothing', x: [3, 3], y: [0, columns], bytes: 0 },
] as { what: string; x: Range; y: Range; bytes: number }[])('reads $bytes bytes for $what', ({ x, y, bytes }) => {
  using(big, (file) => {
    const out = new Float32Array(rangeElements([x, y]));
    const bytesRead = counter();
    file.readSlice('x', [x, y], out, bytesRead.add);
    forEachRun([rows, columns], [x, y], (start, at, count) => {
      expect([out[at], out[at + count - 1]]).toEqual([start, start + count - 1]);
    });
    expect(bytesRead.sum).toBe(bytes);
  });
});

test('a slice reads its own bytes and gaps of at most a page', () => {
  const width = 3000;
  const edge = fc.nat(width - 1);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 12 }), edge, edge, (height, a, b) => {
      const range: Range = [Math.min(a, b), Math.max(a, b) + 1];
      const columns = range[1] - range[0];
      const gap = (width - columns) * 4;
      const path = write({ name: 'x', dtype: 'F32', shape: [height, width], data: new Float32Array(height * width) });
      using(path, (file) => {
        const bytesRead = counter();
        file.readSlice('x', [[0, height], range], new Float32Array(height * columns), bytesRead.add);
        expect(bytesRead.sum).toBe(height * columns * 4 + (gap <= maxGapBytes ? (height - 1) * gap : 0));
      });
    }),
    { numRuns: 50 },
  );
});

test('a tensor longer than the staging buffer is converted piece by piece', () => {
  const count = stagingBytes + 3;
  const path = write({ name: 'x', dtype: 'BF16', shape: [count], data: new Uint16Array(count).fill(0x3f80) });
  using(path, (file) => {
    const out = new Float32Array(count - 1);
    const bytesRead = counter();
    file.readSlice('x', [[1, count]], out, bytesRead.add);
    expect(out.every((value) => value === 1)).toBe(true);
    expect(bytesRead.sum).toBe((count - 1) * dtypeBytes.BF16);
  });
});

test('reads into shared memory', () => {
  const out = new Float32Array(new SharedArrayBuffer(columns * 4 + 64), 32, columns);
  using(big, (file) =>
    file.readSlice(
      'x',
      [
        [1, 2],
        [0, columns],
      ],
      out,
    ),
  );
  expect([out[0], out[columns - 1]]).toEqual([columns, 2 * columns - 1]);
});

test('NaN and infinities are refused by name and place, only where they are', () => {
  const data = new Float32Array(12);
  data[7] = Number.NaN;
  const path = write(
    { name: 'w', dtype: 'F32', shape: [3, 4], data },
    { name: 'h', dtype: 'F16', shape: [2], data: Uint16Array.of(0x3c00, 0xfc00) },
    { name: 'd', dtype: 'F64', shape: [1], data: Float64Array.of(1e300) },
  );
  using(path, (file) => {
    const read = (name: string, ranges: Range[]) => () =>
      file.readSlice(name, ranges, new Float32Array(rangeElements(ranges)));
    expect(
      read('w', [
        [0, 3],
        [0, 4],
      ]),
    ).toThrow('tensor w holds NaN at [1,3]');
    expect(
      read('w', [
        [1, 3],
        [2, 4],
      ]),
    ).toThrow('tensor w holds NaN at [1,3]');
    expect(
      codeOf(
        read('w', [
          [0, 3],
          [0, 4],
        ]),
      ),
    ).toBe('CHECKPOINT_BROKEN');
    expect(
      codeOf(
        read('w', [
          [0, 3],
          [0, 3],
        ]),
      ),
    ).toBe('no error');
    expect(read('h', [[0, 2]])).toThrow('tensor h holds -Infinity at [1]');
    expect(read('d', [[0, 1]])).toThrow('within the range of f32');
  });
});

test('a wrong name, range, length or kind of array is a mismatch', () => {
  const path = write(
    { name: 'x', dtype: 'F32', shape: [4], data: new Float32Array(4) },
    { name: 'mask', dtype: 'U8', shape: [4], data: new Uint8Array(4) },
  );
  using(path, (file) => {
    expect(() => file.readSlice('y', [], new Float32Array(1))).toThrow('no tensor y');
    expect(() => file.readSlice('x', [[0, 5]], new Float32Array(5))).toThrow(
      'range [0,5) is not within [0,4) on dim 0',
    );
    expect(() => file.readSlice('x', [[0, 2]], new Float32Array(4))).toThrow('a slice of 2 numbers; got room for 4');
    expect(() => file.readSlice('x', [[0, 4]], new Int32Array(4))).toThrow('read it as Float32Array or Float64Array');
    expect(() => file.readSlice('mask', [[0, 4]], new Int32Array(4))).toThrow('tensor mask is U8');
  });
});

test('a file cut off at any byte, or of garbage, is refused', () => {
  const given: Given = { name: 'x', dtype: 'F32', shape: [8, 8], data: new Float32Array(64) };
  fc.assert(
    fc.property(fc.nat(encodeHeader([given]).length + 255), (length) => {
      const path = write(given);
      truncateSync(path, length);
      expect(codeOf(() => openSafetensors(path))).toBe('CHECKPOINT_BROKEN');
    }),
    { numRuns: 50 },
  );
  const garbage = join(directory, 'garbage.safetensors');
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      writeFileSync(garbage, bytes);
      expect(codeOf(() => openSafetensors(garbage))).toBe('CHECKPOINT_BROKEN');
    }),
    { numRuns: 50 },
  );
});

test('a file that shrinks after it was opened is noticed', () => {
  const path = write({ name: 'x', dtype: 'F32', shape: [64], data: new Float32Array(64) });
  using(path, (file) => {
    truncateSync(path, 200);
    expect(() => file.readSlice('x', [[0, 64]], new Float32Array(64))).toThrow('it ends at byte 200');
  });
});

test('a path that cannot be opened is a missing checkpoint', () => {
  expect(() => openSafetensors(join(directory, 'none.safetensors'))).toThrow('it does not exist');
  expect(codeOf(() => openSafetensors(join(directory, 'none.safetensors')))).toBe('CHECKPOINT_MISSING');
  expect(codeOf(() => openSafetensors(directory))).toBe('CHECKPOINT_MISSING');
});
