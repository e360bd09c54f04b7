// The program that ends a step, on simulated ranks, against the whole: sums by type, each element counted once in the norm, AdamW.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { coordsOf, worldSize } from '../src/mesh/mesh.ts';
import { finishingOps, optimizerSettings } from '../src/ops/finishing.ts';
import { elements, type NdArray, type Op, type Program } from '../src/program/program.ts';
import type { TypedAxis, Types } from '../src/program/types.ts';
import { type Bucket, bucketsOf } from '../src/state/buckets.ts';
import { heldPart } from '../src/state/pieces.ts';
import { isFirstHolder } from '../src/state/placement.ts';
import { traceFinishing } from '../src/step/finishing.ts';
import { anyCase, nameOf, settingsOf } from './random-cases.ts';
import { randomNumbers } from './random-numbers.ts';
import { simulate } from './simulate.ts';

const adamw = finishingOps.adamwOp as unknown as Op<{ decayed: readonly (readonly [number, number])[] }>;
const settings = Float64Array.of(0.1, 0.9, 0.95, 1e-3, 0.2, 1, 0.1, 0.05);
expect(settings.length).toBe(optimizerSettings.length);

/** Numbers that depend on what is held alone: ranks that hold the same by its types have the same. */
function numbersOf(
  name: string,
  types: Types,
  coords: Readonly<Record<TypedAxis, number>>,
  size: number,
): Float64Array {
  const apart = (Object.entries(types) as [TypedAxis, string][])
    .filter(([, type]) => type === 'P' || type.startsWith('V'))
    .map(([axis]) => `${axis}${coords[axis]}`);
  const seed = [...`${name} ${apart}`].reduce((hash, letter) => Math.imul(hash, 31) + letter.charCodeAt(0), 7);
  const random = randomNumbers(seed);
  const positive = name.startsWith('second');
  return Float64Array.from({ length: size }, () => (positive ? 0.1 + random() : 2 * random() - 1));
}

const sumOf = (parts: readonly Float64Array[]): Float64Array =>
  parts[0]!.map((_, i) => parts.reduce((sum, part) => sum + part[i]!, 0));

const worst = (a: Float64Array, b: Float64Array): number => {
  expect(a.length).toBe(b.length);
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
};

// Without stages, whose sums the simulator does not know.
const oneStage = anyCase.filter(({ layout }) => layout.pp === 1);

test('equals the whole for random models, layouts and levels of ZeRO', () => {
  fc.assert(
    fc.property(oneStage, (each) => {
      const { config, layout } = settingsOf(each, 'f64');
      const ranks = Array.from({ length: worldSize(layout) }, (_, rank) => coordsOf(layout, rank));
      const buckets = bucketsOf(config, layout, 0);
      const programs = ranks.map((coords): Program => traceFinishing(buckets, layout, coords));
      const inputs = programs.map((program, rank) =>
        Object.fromEntries(
          Object.entries(program.inputs).map(([name, { shape, types }]): [string, NdArray] => [
            name,
            { shape, data: name === 'optimizer' ? settings : numbersOf(name, types, ranks[rank]!, elements(shape)) },
          ]),
        ),
      );
      const outputs = simulate(layout, programs, inputs);

      /** A rank's complete gradient: of the ranks whose parts are terms of it, or hold its slice. */
      const finishedOf = (bucket: Bucket, rank: number): Float64Array => {
        const { gradient, finished } = bucket.placement;
        const own = ranks[rank]!;
        const terms = ranks.flatMap((other, index) => {
          const alike = (['tp', 'cp', 'ep', 'dp'] as const).every(
            (axis) => gradient[axis] === 'P' || other[axis] === own[axis],
          );
          return alike ? [inputs[index]![`gradient:${bucket.name}`]!.data] : [];
        });
        const from = heldPart(bucket, gradient, layout, own).start;
        const { start, size } = heldPart(bucket, finished, layout, own);
        return sumOf(terms).slice(start - from, start - from + size);
      };
      const complete = ranks.map(
        (_, rank) => new Map(buckets.map((bucket) => [bucket.name, finishedOf(bucket, rank)])),
      );
      const squaredNorm = buckets.reduce(
        (sum, { name, placement }) =>
          ranks.reduce((all, coords, rank) => {
            if (!isFirstHolder(placement.finished, coords)) return all;
            return all + complete[rank]!.get(name)!.reduce((total, value) => total + value ** 2, 0);
          }, sum),
        0,
      );
      /** The parameters that a rank updates. */
      const updatedOf = (bucket: Bucket, rank: number): Float64Array => {
        const { start, size } = heldPart(bucket, bucket.placement.moments, layout, ranks[rank]!);
        const decayed = bucket.slots
          .filter(({ spec }) => spec.decays)
          .map((slot) => [Math.max(0, slot.start - start), Math.min(size, slot.start + slot.size - start)] as const);
        const given = (what: string) => inputs[rank]![`${what}:${bucket.name}`]!;
        const gradient = { shape: [size], data: complete[rank]!.get(bucket.name)! };
        const norm = { shape: [1], data: Float64Array.of(squaredNorm) };
        const operands = [
          given('parameter'),
          gradient,
          given('first'),
          given('second'),
          norm,
          inputs[rank]!.optimizer!,
        ];
        return adamw.reference!(operands, { decayed })[0]!.data;
      };
      for (const [rank, coords] of ranks.entries()) {
        // Rounding of f64 in another order of sums; gradients are sums of at most 8 numbers below 1.
        expect(outputs[rank]!.gradNorm!.data[0]! / Math.sqrt(squaredNorm), nameOf(each)).toBeCloseTo(1, 12);
        for (const bucket of buckets) {
          const { name, placement } = bucket;
          expect(worst(outputs[rank]![`finished:${name}`]!.data, complete[rank]!.get(name)!)).toBeLessThan(1e-13);
          // The shares of all who lie alike otherwise, put together where they belong.
          const held = heldPart(bucket, placement.param, layout, coords);
          const whole = new Float64Array(bucket.size);
          for (const [other, at] of ranks.entries())
            if (at.tp === coords.tp && (at.ep === coords.ep || bucket.types.ep !== 'V0'))
              whole.set(updatedOf(bucket, other), heldPart(bucket, placement.moments, layout, at).start);
          const made = outputs[rank]![`whole:${name}`]!.data;
          expect(made.length).toBe(held.size);
          // Between the slots is padding, zeros in a run.
          for (const slot of bucket.slots) {
            const [from, to] = [
              Math.max(slot.start, held.start),
              Math.min(slot.start + slot.size, held.start + held.size),
            ];
            if (from >= to) continue;
            const got = made.slice(from - held.start, to - held.start);
            expect(worst(got, whole.slice(from, to)), nameOf(each)).toBeLessThan(1e-12);
          }
        }
      }
    }),
    { numRuns: 60 },
  );
});

test('gradients that are partial on several axes are summed in one call', () => {
  const [each] = fc.sample(
    oneStage.filter(
      ({ layout }) => layout.tp > 1 && layout.cp === 1 && layout.dp > 1 && layout.sp && layout.zero === 0,
    ),
    { numRuns: 1, seed: 4 },
  );
  const { config, layout } = settingsOf(each!, 'f64');
  const { nodes } = traceFinishing(bucketsOf(config, layout, 0), layout, coordsOf(layout, 0));
  const sums = nodes.filter(({ op, site }) => op.name === 'allReduce' && site.startsWith('gradients of'));
  expect(sums.map(({ attrs }) => (attrs as { axes: readonly string[] }).axes.join('+')).sort()).toEqual([
    'dp',
    'tp+dp',
  ]);
});
