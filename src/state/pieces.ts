// Between a bucket's vector, or a rank's part of it, and the parameters: which box of which parameter lies where.
//
//   a part of a vector        its boxes in a matrix of 6 columns
//   . . a a a a │ b b b b b b │ c c . . . .     a: one row from column 2 on, b: whole rows, c: one row up to column 2
import type { Coords, Mesh } from '../mesh/mesh.ts';
import { type ParamSpec, shardOrigin, shardShape } from '../model/params.ts';
import { elements, type Shape } from '../program/program.ts';
import type { Types } from '../program/types.ts';
import type { Bucket } from './buckets.ts';
import { partOver, sharedOver } from './placement.ts';

/** [start, end) along a dim. */
export type DimRange = readonly [start: number, end: number];

/** A box of a parameter, and where in the held vector its numbers lie, row-major and without gaps. */
export interface HeldPiece {
  readonly spec: ParamSpec;
  /** Of the whole parameter, without the rows that pad a vocabulary. */
  readonly ranges: readonly DimRange[];
  readonly start: number;
  readonly count: number;
}

/** Elements of the vector that a rank holds under these types, and its first element in the whole vector. */
export function heldPart(bucket: Bucket, types: Types, mesh: Mesh, coords: Coords): { start: number; size: number } {
  const { index, count } = partOver(sharedOver(types, bucket.types), mesh, coords);
  const size = bucket.size / count;
  return { start: index * size, size };
}

/** All that a rank holds of parameters in a bucket's vector under these types; padding is in none of the pieces. */
export function piecesOf(bucket: Bucket, types: Types, mesh: Mesh, coords: Coords): HeldPiece[] {
  const held = heldPart(bucket, types, mesh, coords);
  return bucket.slots.flatMap(({ spec, start, size }) => {
    const from = Math.max(start, held.start);
    const to = Math.min(start + size, held.start + held.size);
    if (from >= to) return [];
    const first = shardOrigin(spec, mesh, coords);
    return boxes(shardShape(spec, mesh), from - start, to - start).flatMap((box) => {
      const ranges = box.ranges.map(([a, b], dim): DimRange => {
        const most = spec.shape[dim]!;
        return [Math.min(most, a + first[dim]!), Math.min(most, b + first[dim]!)];
      });
      const count = elements(ranges.map(([a, b]) => b - a));
      return count === 0 ? [] : [{ spec, ranges, start: start + box.from - held.start, count }];
    });
  });
}

/** Elements [from, to) of a row-major tensor as boxes, in order. */
export function boxes(shape: Shape, from: number, to: number): { ranges: DimRange[]; from: number }[] {
  if (from >= to) return [];
  const [size = 1, ...rest] = shape;
  if (rest.length === 0) return [{ ranges: shape.length === 0 ? [] : [[from, to]], from }];
  const row = elements(rest);
  const [first, last] = [Math.floor(from / row), Math.floor((to - 1) / row)];
  const inRow = (index: number, a: number, b: number) =>
    boxes(rest, a - index * row, b - index * row).map((box) => ({
      ranges: [[index, index + 1] as const, ...box.ranges],
      from: box.from + index * row,
    }));
  if (first === last && !(from === first * row && to === (first + 1) * row)) return inRow(first, from, to);
  const wholeFrom = Math.ceil(from / row);
  const wholeTo = Math.min(size, Math.floor(to / row));
  const whole = rest.map((n): DimRange => [0, n]);
  return [
    ...(from < wholeFrom * row ? inRow(first, from, wholeFrom * row) : []),
    ...(wholeFrom < wholeTo ? [{ ranges: [[wholeFrom, wholeTo] as const, ...whole], from: wholeFrom * row }] : []),
    ...(wholeTo * row < to ? inRow(wholeTo, wholeTo * row, to) : []),
  ];
}
