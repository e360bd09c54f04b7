// The number formats of a safetensors file: their sizes, and which typed array holds each.

/** Bytes per element of every dtype the safetensors format knows. Files may hold all of them; we read the ones in {@link readableDtypes}. */
export const dtypeBytes = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
} as const;

export type Dtype = keyof typeof dtypeBytes;

export const isDtype = (name: string): name is Dtype => Object.hasOwn(dtypeBytes, name);

/** Dtypes that can be read, and the typed arrays each can be read into. */
export const readableDtypes = {
  F64: ['Float64Array', 'Float32Array'],
  F32: ['Float32Array', 'Float64Array'],
  F16: ['Float32Array', 'Float64Array'],
  BF16: ['Float32Array', 'Float64Array'],
  I64: ['BigInt64Array'],
  I32: ['Int32Array'],
} as const satisfies Partial<Record<Dtype, readonly string[]>>;

export type ReadableDtype = keyof typeof readableDtypes;

export const isReadable = (dtype: Dtype): dtype is ReadableDtype => Object.hasOwn(readableDtypes, dtype);

export type FloatArray = Float32Array | Float64Array;
export type TensorArray = FloatArray | BigInt64Array | Int32Array;

/** The array's kind, by name: 'Float32Array' and so on. */
export function arrayKind(array: TensorArray): 'Float32Array' | 'Float64Array' | 'BigInt64Array' | 'Int32Array' {
  if (array instanceof Float32Array) return 'Float32Array';
  if (array instanceof Float64Array) return 'Float64Array';
  return array instanceof Int32Array ? 'Int32Array' : 'BigInt64Array';
}

/** Whether the bytes of `dtype` in a file are the bytes of `array` in memory, so that no conversion is needed. */
export const sameBytes = (dtype: Dtype, array: TensorArray): boolean =>
  isReadable(dtype) && readableDtypes[dtype][0] === arrayKind(array) && array.BYTES_PER_ELEMENT === dtypeBytes[dtype];
