// Pieces of buckets: together all ranks hold every element of every parameter once, whatever ZeRO shares out; copies are the same box.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { anyCase, nameOf, settingsOf } from '../../test/random-cases.ts';
import { coordsOf, worldSize } from '../mesh/mesh.ts';
import { paramSpecs } from '../model/params.ts';
import { stageParts } from '../model/stages.ts';
import { elements, type Shape } from '../program/program.ts';
import { bucketsOf } from './buckets.ts';
import { boxes, type DimRange, heldPart, piecesOf } from './pieces.ts';
import { isFirstHolder } from './placement.ts';
import { stateOf } from './vectors.ts';

/** Row-major places of a box's elements in the whole tensor. */
function placesIn(shape: Shape, ranges: readonly DimRange[]): number[] {
  let places = [0];
  for (const [dim, [start, end]] of ranges.entries())
    places = places.flatMap((place) => Array.from({ length: end - start }, (_, i) => place * shape[dim]! + start + i));
  return places;
}

const shapes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 });

test('boxes are the elements they are asked for, in order, and as few as there can be', () => {
  fc.assert(
    fc.property(shapes, fc.nat(), fc.nat(), (shape, a, b) => {
      const size = elements(shape);
      const [from, to] = [a % (size + 1), b % (size + 1)].sort((x, y) => x - y) as [number, number];
      const found = boxes(shape, from, to);
      const places = found.flatMap(({ ranges }) => placesIn(shape, ranges));
      expect(places).toEqual(Array.from({ length: to - from }, (_, i) => from + i));
      let at = from;
      for (const box of found) {
        expect(box.from).toBe(at);
        at += elements(box.ranges.map(([start, end]) => end - start));
      }
      // Rows at both ends of every dim but the last, and what lies between.
      expect(found.length).toBeLessThanOrEqual(2 * shape.length - 1);
    }),
    { numRuns: 2000 },
  );
});

const roles = ['parameter', 'gradient', 'firstMoment', 'secondMoment'] as const;

test('first holders have every element of every parameter once, other holders the same boxes', () => {
  fc.assert(
    fc.property(anyCase, (each) => {
      const { config, layout } = settingsOf(each, 'f64');
      const ranks = Array.from({ length: worldSize(layout) }, (_, rank) => coordsOf(layout, rank));
      const states = ranks.map((coords) => stateOf(config, layout, coords));
      const specs = Array.from({ length: layout.pp }, (_, stage) => stageParts(config, layout, stage))
        .flat()
        .flatMap((part) => paramSpecs(config, layout, part));
      for (const role of roles) {
        const having = specs.filter(({ byLoad }) => role === 'parameter' || !byLoad);
        const counts = new Map(having.map(({ name, shape }) => [name, new Uint8Array(elements(shape))]));
        const firsts = new Map<string, string>();
        const held = ranks.map((coords, rank) =>
          states[rank]!.vectors.filter((vector) => vector.role === role).map(({ bucket, types }) => {
            const first = isFirstHolder(types, coords) && (!bucket.onBothEnds || coords.pp === 0);
            return { first, bucket, types, pieces: piecesOf(bucket, types, layout, coords) };
          }),
        );
        const printed = (pieces: ReturnType<typeof piecesOf>) =>
          JSON.stringify(pieces.map(({ spec, ranges, start, count }) => [spec.name, ranges, start, count]));
        for (const { first, bucket, pieces } of held.flat()) {
          if (!first) continue;
          for (const { spec, ranges } of pieces)
            for (const place of placesIn(spec.shape, ranges)) counts.get(spec.name)![place]! += 1;
          firsts.set(`${bucket.name} ${printed(pieces)}`, printed(pieces));
        }
        for (const [name, count] of counts)
          expect(
            count.every((times) => times === 1),
            `${role} of ${name} in ${nameOf(each)}`,
          ).toBe(true);
        // Nobody holds what is not held by some first holder, box for box.
        for (const { bucket, pieces } of held.flat())
          expect(firsts.has(`${bucket.name} ${printed(pieces)}`), `${role}: ${nameOf(each)}`).toBe(true);
      }
    }),
    { numRuns: 150 },
  );
});

test('pieces lie inside of what is held, apart, and in the order of their elements', () => {
  fc.assert(
    fc.property(anyCase, fc.nat(100), (each, pick) => {
      const { config, layout } = settingsOf(each, 'f64');
      const coords = coordsOf(layout, pick % worldSize(layout));
      for (const bucket of bucketsOf(config, layout, coords.pp))
        for (const types of Object.values(bucket.placement)) {
          const { start, size } = heldPart(bucket, types, layout, coords);
          let end = 0;
          for (const piece of piecesOf(bucket, types, layout, coords)) {
            expect(piece.start).toBeGreaterThanOrEqual(end);
            expect(piece.count).toBe(elements(piece.ranges.map(([from, to]) => to - from)));
            end = piece.start + piece.count;
          }
          expect(end).toBeLessThanOrEqual(size);
          expect(start + size).toBeLessThanOrEqual(bucket.size);
        }
    }),
    { numRuns: 150 },
  );
});
