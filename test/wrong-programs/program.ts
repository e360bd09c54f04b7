// What a wrong program is, and what several are written with.
import type { ErrorCode } from '../../src/errors.ts';
import { attention } from '../../src/ops/attention.ts';
import { ownSlice } from '../../src/ops/collectives.ts';
import { linear } from '../../src/ops/linear.ts';
import type { Shape, Value } from '../../src/program/program.ts';
import type { AxisType, Types } from '../../src/program/types.ts';

/** Makes inputs on rank 3 of 2 × 2: float ones of a type on tp (or on several axes), and token ids. */
export interface Make {
  x(shape: Shape, types: AxisType | Types): Value;
  ids(shape: Shape, types: AxisType | Types): Value;
  doubles(shape: Shape): Value;
}

export interface Wrong {
  readonly name: string;
  readonly build: (make: Make) => unknown;
  readonly code?: ErrorCode;
  readonly axis?: string;
  readonly op: string;
  readonly fix: RegExp;
}

/** A row-parallel linear layer's result: features [b, s, 6], partial over tp. */
export const rowParallel = ({ x }: Make, shape: Shape = [2, 8, 4]): Value => linear(x(shape, 'V2'), x([6, 4], 'V1'));

/** This rank's five of eight or six elements: some that the others have too. */
export const part = (x: Value, dim: number): Value =>
  ownSlice(x, 'tp', dim, { start: x.trace.coords.tp * (x.shape[dim]! - 5), size: 5 });
export const three = (make: () => Value): [Value, Value, Value] => [make(), make(), make()];

/** Over one sequence, whose tokens' places are spread like it. */
export function attend({ ids }: Make, q: Value, k: Value, v: Value, types: AxisType = 'R'): Value {
  const place = () => ids(q.shape.slice(0, 2), types);
  const places = { positions: place(), documents: place() };
  return attention(q, k, v, { queries: places, keys: places }, { scale: 0.5 });
}
