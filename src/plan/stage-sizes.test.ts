// Layers of stages, against all ways to cut them.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { stageSizes } from './stage-sizes.ts';

/** Every way to cut so many layers into so many stages of at least one. */
function allSizes(layers: number, stages: number): number[][] {
  if (stages === 1) return [[layers]];
  return Array.from({ length: layers - stages + 1 }, (_, i) => i + 1).flatMap((size) =>
    allSizes(layers - size, stages - 1).map((rest) => [size, ...rest]),
  );
}

const work = fc
  .record({
    layers: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 9 }),
    head: fc.integer({ min: 0, max: 20 }),
    speeds: fc.array(fc.constantFrom(1, 0.5, 0.25, 0.75), { minLength: 1, maxLength: 5 }),
  })
  .filter(({ layers, speeds }) => speeds.length <= layers.length);

test('no way to cut the layers has a shorter longest stage, nor among those that have as short a one more even stages', () => {
  fc.assert(
    fc.property(work, ({ layers, head, speeds }) => {
      const timesOf = (sizes: readonly number[]): number[] => {
        let first = 0;
        return sizes.map((size, stage) => {
          const flops = layers.slice(first, first + size).reduce((sum, each) => sum + each, 0);
          first += size;
          return (flops + (stage === speeds.length - 1 ? head : 0)) / speeds[stage]!;
        });
      };
      const squares = (times: readonly number[]) => times.reduce((sum, time) => sum + time ** 2, 0);
      const found = timesOf(stageSizes({ layers, head }, speeds));
      const all = allSizes(layers.length, speeds.length).map(timesOf);
      const least = Math.min(...all.map((times) => Math.max(...times)));
      expect(Math.max(...found)).toBe(least);
      const even = all.filter((times) => Math.max(...times) === least).map(squares);
      // Sums of the same squares in the same order.
      expect(squares(found)).toBe(Math.min(...even));
    }),
    { numRuns: 500 },
  );
});

test.each([
  [8, 0, [1, 1], [4, 4]],
  [8, 0, [1, 0.5], [6, 2]],
  [8, 0, [0.5, 1], [2, 6]],
  [9, 0, [1, 0.5], [6, 3]],
  [8, 2, [1, 1], [5, 3]],
  [12, 0, [1, 0.5, 1, 0.5], [4, 2, 4, 2]],
  [4, 0, [1, 0.01, 1, 1], [1, 1, 1, 1]],
])('%d layers and a head of %d on stages of speeds %j: %j', (layers, head, speeds, expected) => {
  expect(stageSizes({ layers: Array.from({ length: layers }, () => 1), head }, speeds)).toEqual(expected);
});

test('many layers in many stages: three on a fast one would do, one on a slow one', () => {
  const speeds = Array.from({ length: 64 }, (_, stage) => (stage % 2 === 0 ? 1 : 0.5));
  const sizes = stageSizes({ layers: Array.from({ length: 126 }, () => 1), head: 0 }, speeds);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(126);
  expect(Math.max(...sizes.map((size, stage) => size / speeds[stage]!))).toBe(3);
});
