// Runs of slices against naive indexing.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fullRanges } from '../../test/full-ranges.ts';
import { elements } from '../program/program.ts';
import { forEachRun, indexInTensor, type Range, rangeElements, rangesProblem } from './ranges.ts';

const sliceCase = fc.array(fc.nat(5), { maxLength: 4 }).chain((shape) =>
  fc.record({
    shape: fc.constant(shape),
    ranges: fc
      .tuple(...shape.map((size) => fc.tuple(fc.nat(size), fc.nat(size))))
      .map((pairs) => (pairs as [number, number][]).map(([a, b]): Range => [Math.min(a, b), Math.max(a, b)])),
  }),
);

/** The flat indices of a slice, one element at a time. */
function naive(shape: readonly number[], ranges: readonly Range[]): number[] {
  return ranges.reduce<number[]>(
    (found, [start, end], dim) =>
      found.flatMap((at) => Array.from({ length: end - start }, (_, i) => at * shape[dim]! + start + i)),
    [0],
  );
}

test('runs visit exactly the elements of the slice, in order, and never touch each other', () => {
  fc.assert(
    fc.property(sliceCase, ({ shape, ranges }) => {
      expect(rangesProblem(shape, ranges)).toBeUndefined();
      const found: number[] = [];
      let previousEnd = -1;
      forEachRun(shape, ranges, (start, at, count) => {
        expect(at).toBe(found.length);
        expect(start).toBeGreaterThan(previousEnd);
        previousEnd = start + count;
        for (let i = 0; i < count; i++) found.push(start + i);
      });
      expect(found).toEqual(naive(shape, ranges));
      expect(rangeElements(ranges)).toBe(found.length);
    }),
    { numRuns: 500 },
  );
});

test('the whole tensor is one run, and so is a scalar', () => {
  for (const shape of [[3, 4, 5], [7], []]) {
    const runs: number[][] = [];
    forEachRun(shape, fullRanges(shape), (...run) => runs.push(run));
    expect(runs).toEqual([[0, 0, elements(shape)]]);
  }
});

test('an element of a slice knows its index in the tensor', () => {
  const ranges: Range[] = [
    [1, 3],
    [2, 5],
  ];
  expect(Array.from({ length: 6 }, (_, at) => indexInTensor(ranges, at))).toEqual([
    [1, 2],
    [1, 3],
    [1, 4],
    [2, 2],
    [2, 3],
    [2, 4],
  ]);
});

test('ranges that do not fit are described', () => {
  expect(rangesProblem([4, 6], [[0, 4]])).toBe('1 ranges for 2 dims');
  expect(
    rangesProblem(
      [4, 6],
      [
        [0, 4],
        [2, 7],
      ],
    ),
  ).toBe('range [2,7) is not within [0,6) on dim 1');
  expect(rangesProblem([4], [[3, 2]])).toContain('[3,2)');
  expect(rangesProblem([4], [[0.5, 2]])).toContain('[0.5,2)');
});
