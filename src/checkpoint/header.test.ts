// Headers of safetensors files: what is accepted, and how each kind of damage is named.
import { expect, test } from 'vitest';
import { encodeHeader, headerLength, parseHeader } from './header.ts';

const entry = (dtype: string, shape: unknown, begin: number, end: number) => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

/** The error for a header with this JSON over `dataBytes` bytes of numbers, or the tensors' names. */
function parse(json: unknown, dataBytes: number): string {
  const bytes = Buffer.from(typeof json === 'string' ? json : JSON.stringify(json));
  try {
    return [...parseHeader('w.safetensors', bytes, 8 + bytes.length + dataBytes).keys()].join();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

test('tensors come in the order of their bytes, with a scalar and an empty one', () => {
  const header = {
    __metadata__: { format: 'pt' },
    last: entry('F32', [2], 8, 16),
    scalar: entry('F64', [], 0, 8),
    empty: entry('BF16', [0, 3], 8, 8),
  };
  expect(parse(header, 16)).toBe('scalar,empty,last');
});

test('damage is named', () => {
  const messages = [
    parse('{"a"', 0),
    parse('[1]', 0),
    parse({ a: 3 }, 0),
    parse({ a: entry('F32', [-2], 0, 8) }, 8),
    parse({ a: entry('F32', [1.5], 0, 6) }, 6),
    parse({ a: entry('F12', [2], 0, 8) }, 8),
    parse({ a: entry('F32', [3], 0, 8) }, 8),
    parse({ a: entry('F32', [2], 8, 0) }, 8),
    parse({ a: entry('F32', [2], 0, 8) }, 7),
    parse({ a: entry('F32', [2], 0, 8), b: entry('F32', [2], 4, 12) }, 12),
    parse({ a: entry('F32', [2], 0, 8), b: entry('F32', [2], 12, 20) }, 20),
    parse({ a: entry('F32', [2], 0, 8) }, 9),
  ];
  expect(
    messages.map((message) => message.replace('checkpoint w.safetensors is broken: ', '')).join('\n'),
  ).toMatchInlineSnapshot(`
    "its header is not JSON; copy or download the file again
    its header is not a JSON object; copy or download the file again
    tensor a: Invalid input: expected object, received number; copy or download the file again
    tensor a: shape.0: Too small: expected number to be >=0; copy or download the file again
    tensor a: shape.0: Invalid input: expected int, received number; copy or download the file again
    tensor a has the unknown dtype F12; use one of F64, F32, F16, BF16, F8_E4M3, F8_E5M2, I64, I32, I16, I8, U64, U32, U16, U8, BOOL
    tensor a: bytes 0 to 8 do not hold F32 of shape [3]; copy or download the file again
    tensor a: bytes 8 to 0 do not hold F32 of shape [2]; copy or download the file again
    truncated: tensor a ends at byte 70, the file has 69; copy or download the file again
    tensor b overlaps tensor a; copy or download the file again
    4 bytes between tensor a and tensor b belong to no tensor; copy or download the file again
    1 bytes after tensor a belong to no tensor; copy or download the file again"
  `);
});

test('a length that cannot be is refused before anything is read', () => {
  const length = (first: Buffer, fileBytes: number) => () => headerLength('w.safetensors', first, fileBytes);
  const of = (n: bigint) => {
    const first = Buffer.alloc(8);
    first.writeBigUInt64LE(n);
    return first;
  };
  expect(headerLength('w.safetensors', of(10n), 18)).toBe(10);
  expect(length(of(2n), 9)).toThrow('its 9 bytes are too few');
  expect(length(of(11n), 18)).toThrow('truncated within the header: 19 bytes needed, the file has 18');
  expect(length(of(2n ** 63n), 1000)).toThrow('not a safetensors file');
  expect(length(of(0n), 1000)).toThrow('not a safetensors file');
  expect(length(Buffer.from('version '), 130)).toThrow('git lfs pull');
});

test('an encoded header reads back, and numbers start at a multiple of 8 bytes', () => {
  const tensors = [
    { name: 'wide', dtype: 'F64', shape: [3] },
    { name: 'née "quoted"', dtype: 'F32', shape: [2, 5] },
  ] as const;
  const header = encodeHeader(tensors);
  const parsed = [...parseHeader('w.safetensors', Buffer.from(header.subarray(8)), header.length + 24 + 40).values()];
  expect(header.length % 8).toBe(0);
  expect(parsed).toEqual([
    { ...tensors[0], begin: header.length, bytes: 24 },
    { ...tensors[1], begin: header.length + 24, bytes: 40 },
  ]);
});
