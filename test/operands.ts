// What samples of ops are made from: operands of numbers as if at random.
import type { NdArray, TensorShape } from '../src/program/program.ts';
import { elements, type Shape } from '../src/program/program.ts';
import { randomNumbers } from './random-numbers.ts';

export type Operand = NdArray & TensorShape;

export interface Sample {
  readonly label: string;
  readonly inputs: readonly Operand[];
  readonly attrs: object;
}

/** The next number in [0, 1). */
export const next = randomNumbers(5);

/** Floats in (-size, size). */
export const floats = (shape: Shape, size = 1.5): Operand => ({
  shape,
  dtype: 'float',
  data: Float64Array.from({ length: elements(shape) }, () => (2 * next() - 1) * size),
});
/** Integers in [from, to). */
export const ints = (shape: Shape, from: number, to: number): Operand => ({
  shape,
  dtype: 'int',
  data: Float64Array.from({ length: elements(shape) }, () => from + Math.floor(next() * (to - from))),
});
export const positive = (shape: Shape): Operand => ({
  shape,
  dtype: 'float',
  data: Float64Array.from({ length: elements(shape) }, () => 0.5 + 3 * next()),
});
export const asOperand = (array: NdArray): Operand => ({ ...array, dtype: 'float' });

export const sample = (label: string, inputs: readonly Operand[], attrs: object = {}): Sample => ({
  label,
  inputs,
  attrs,
});

export const cube: Shape = [2, 3, 4];
/** Every dim divides over two ranks: the test of the typing rule cuts these. */
export const evenShape: Shape = [2, 4, 6];
/** Numbers of tokens of every row, [batch, tokens]. */
export const places = (batch: number, tokens: number, at: (token: number, row: number) => number): Operand => ({
  shape: [batch, tokens],
  dtype: 'int',
  data: Float64Array.from({ length: batch * tokens }, (_, i) => at(i % tokens, Math.floor(i / tokens))),
});

export const doubles = (...data: number[]): Operand => ({
  shape: [data.length],
  dtype: 'double',
  data: Float64Array.from(data),
});
