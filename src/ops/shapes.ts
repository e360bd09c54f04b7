// Small helpers for dim labels and shapes shared by the ops.
import { elements, expectShape, type NdArray, type Shape, type TensorShape } from '../program/program.ts';

const letters = 'abcdefg';

/** Labels of a tensor's dims by rank, e.g. 3 -> `a b c`. */
export const labels = (rank: number): string => [...letters.slice(0, rank)].join(' ');

/** Labels of the last `rank` of `of` dims: what broadcasting from the right lines up. */
export const trailing = (rank: number, of: number): string => [...letters.slice(of - rank, of)].join(' ');

export const float = (shape: Shape): TensorShape => ({ shape, dtype: 'float' });

export const sameShape = (a: Shape, b: Shape): boolean =>
  a.length === b.length && a.every((size, dim) => size === b[dim]);

export function expectSame(a: TensorShape, b: TensorShape): void {
  expectShape(sameShape(a.shape, b.shape), `shapes [${a.shape}] and [${b.shape}] must be equal`);
}

export const lastDim = (shape: Shape): number => shape[shape.length - 1]!;
export const rowsOf = (shape: Shape): number => elements(shape) / lastDim(shape);

export const ndarray = (shape: Shape, value: (index: number) => number): NdArray => ({
  shape,
  data: Float64Array.from({ length: elements(shape) }, (_, index) => value(index)),
});
