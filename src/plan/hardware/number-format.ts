// Formats of numbers on a device: how wide they are in memory, and at which rate products of them are taken.

/** Bytes of a number; of those that share scales by blocks with their part of a scale. */
export const formatBytes = {
  fp64: 8,
  fp32: 4,
  /** fp32 in memory, products of 10 bits of mantissa. */
  tf32: 4,
  bf16: 2,
  fp16: 2,
  fp8: 1,
  /** One scale of 8 bits a block of 32 (OCP microscaling). */
  mxfp8: 1 + 1 / 32,
  int8: 1,
  /** One scale of 8 bits a block of 16, and of 32. */
  nvfp4: 0.5 + 1 / 16,
  mxfp4: 0.5 + 1 / 32,
  int4: 0.5,
} as const satisfies Record<string, number>;

export type NumberFormat = keyof typeof formatBytes;

export const productRates = ['fp64', 'fp32', 'tf32', 'bf16', 'fp8', 'fp4', 'int8'] as const;
export type ProductRate = (typeof productRates)[number];

/** Whose products a format's are: formats that share a device's rate. */
export const rateOf = {
  fp64: 'fp64',
  fp32: 'fp32',
  tf32: 'tf32',
  bf16: 'bf16',
  fp16: 'bf16',
  fp8: 'fp8',
  mxfp8: 'fp8',
  int8: 'int8',
  nvfp4: 'fp4',
  mxfp4: 'fp4',
  /** Weights alone are so narrow: they are widened before products are taken. */
  int4: 'bf16',
} as const satisfies Record<NumberFormat, ProductRate>;
