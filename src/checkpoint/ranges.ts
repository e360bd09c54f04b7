// A slice of a row-major tensor, and the contiguous runs of elements it is made of.

/** `[start, end)` along one dim. */
export type Range = readonly [start: number, end: number];

export const rangeElements = (ranges: readonly Range[]): number =>
  ranges.reduce((product, [start, end]) => product * (end - start), 1);

/** What is wrong with these ranges for a tensor of this shape, or undefined. */
export function rangesProblem(shape: readonly number[], ranges: readonly Range[]): string | undefined {
  if (ranges.length !== shape.length) return `${ranges.length} ranges for ${shape.length} dims`;
  const bad = ranges.findIndex(
    ([start, end], dim) =>
      !Number.isInteger(start) || !Number.isInteger(end) || start < 0 || end < start || end > shape[dim]!,
  );
  return bad < 0 ? undefined : `range [${ranges[bad]}) is not within [0,${shape[bad]}) on dim ${bad}`;
}

/**
 * Visits the contiguous runs of a slice in row-major order: `count` elements from element `start` of the whole tensor, which are
 * the elements from `at` of the slice. Runs are as long as they can be: no two touch. The ranges must be valid.
 *
 *     shape [4, 6], ranges [1,3) [2,5):   . . . . . .
 *                                         . . a a a .    run a: start 8,  at 0, count 3
 *                                         . . b b b .    run b: start 14, at 3, count 3
 *                                         . . . . . .
 */
export function forEachRun(
  shape: readonly number[],
  ranges: readonly Range[],
  visit: (start: number, at: number, count: number) => void,
): void {
  const total = rangeElements(ranges);
  if (total === 0) return;
  // Dims after `inner` are taken whole, so a run spans them and the range on `inner`.
  let inner = shape.length - 1;
  let stride = 1;
  for (; inner >= 0 && ranges[inner]![1] - ranges[inner]![0] === shape[inner]; inner--) stride *= shape[inner]!;
  if (inner < 0) {
    visit(0, 0, total);
    return;
  }
  const count = stride * (ranges[inner]![1] - ranges[inner]![0]);

  const strides: number[] = [];
  for (let dim = inner; dim >= 0; dim--) {
    strides[dim] = stride;
    stride *= shape[dim]!;
  }
  let start = 0;
  for (let dim = 0; dim <= inner; dim++) start += ranges[dim]![0] * strides[dim]!;

  const index = ranges.slice(0, inner).map(([first]) => first);
  for (let at = 0; at < total; at += count) {
    visit(start, at, count);
    for (let dim = inner - 1; dim >= 0; dim--) {
      index[dim] = index[dim]! + 1;
      start += strides[dim]!;
      if (index[dim]! < ranges[dim]![1]) break;
      start -= (ranges[dim]![1] - ranges[dim]![0]) * strides[dim]!;
      index[dim] = ranges[dim]![0];
    }
  }
}

/** The index in the whole tensor of element `at` of a slice. */
export function indexInTensor(ranges: readonly Range[], at: number): number[] {
  const index: number[] = [];
  let rest = at;
  for (let dim = ranges.length - 1; dim >= 0; dim--) {
    const [start, end] = ranges[dim]!;
    index[dim] = start + (rest % (end - start));
    rest = Math.floor(rest / (end - start));
  }
  return index;
}
