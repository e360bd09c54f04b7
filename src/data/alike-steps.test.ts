// Steps of alike sequences: every sequence once, no later than a window allows, any step by itself, and with less between costs.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { alikeSteps } from './alike-steps.ts';
import { stepsForEpochs } from './epochs.ts';

const one = (training: number) => [{ training, share: 1 }];

/** The positions of so many steps, one after another. */
function positionsOf(steps: number, perStep: number, sources: ReturnType<typeof one>, costs: (at: number) => number) {
  const positionAt = alikeSteps({ perStep, sources, costAt: costs });
  return Array.from({ length: steps * perStep }, (_, place) => positionAt(place));
}

test('sequences that cost alike are in a step, in order; steps are shuffled', () => {
  const costs = [5, 1, 3, 2, 6, 1, 2, 4];
  const positions = positionsOf(4, 2, one(8), (at) => costs[at]!);
  const steps = [0, 2, 4, 6].map((at) => positions.slice(at, at + 2));
  expect(steps.toSorted((a, b) => a[0]! - b[0]!)).toEqual([
    [0, 4],
    [1, 5],
    [2, 7],
    [3, 6],
  ]);
  expect(steps.map(([first]) => costs[first!])).not.toEqual([1, 2, 3, 5]);
});

const cases = fc.record({
  perStep: fc.integer({ min: 1, max: 100 }),
  training: fc.integer({ min: 1, max: 400 }),
  epochs: fc.integer({ min: 1, max: 4 }),
  costs: fc.infiniteStream(fc.nat(20)),
});

test('at the end of every epoch the same has been seen as in order; nothing is moved by more than a window', () => {
  fc.assert(
    fc.property(cases, ({ perStep, training, epochs, costs }) => {
      const cost = Array.from({ length: epochs * training + perStep }, () => costs.next().value);
      const sources = one(training);
      const steps = stepsForEpochs(sources, epochs, perStep);
      const positions = positionsOf(steps, perStep, sources, (at) => cost[at]!);
      for (let epoch = 1; epoch <= epochs; epoch += 1) {
        const seen = positions.slice(0, stepsForEpochs(sources, epoch, perStep) * perStep);
        expect(seen.toSorted((a, b) => a - b)).toEqual(seen.map((_, at) => at));
      }
      for (const [place, position] of positions.entries())
        expect(Math.abs(place - position)).toBeLessThan(Math.max(64, perStep));
    }),
  );
});

test('a step is the same whichever was asked for before it', () => {
  fc.assert(
    fc.property(cases, fc.array(fc.nat(300), { minLength: 1, maxLength: 20 }), ({ perStep, training }, places) => {
      const costAt = (at: number): number => (Math.imul(at + 1, 0x9e3779b1) >>> 16) % 50;
      const order = positionsOf(Math.ceil(301 / perStep), perStep, one(training), costAt);
      const positionAt = alikeSteps({ perStep, sources: one(training), costAt });
      expect(places.map(positionAt)).toEqual(places.map((place) => order[place]));
    }),
  );
});

test('what separates the costliest of a step from the mean is a fraction of what it was', () => {
  const costAt = (at: number): number => (Math.imul(at + 1, 0x9e3779b1) >>> 8) % 1000;
  const beyond = (positions: readonly number[]): number => {
    let sum = 0;
    for (let at = 0; at < positions.length; at += 2) {
      const [a, b] = [costAt(positions[at]!), costAt(positions[at + 1]!)];
      sum += Math.abs(a - b) / 2;
    }
    return sum;
  };
  const alike = positionsOf(320, 2, one(640), costAt);
  // Of 64 uniform costs neighbours are a 65th apart, any two a third on average.
  expect(beyond(alike) / beyond(alike.toSorted((a, b) => a - b))).toBeLessThan(0.06);
});

test('what fits no window is left as it is, and its cost is not asked for', () => {
  const costAt = (): number => {
    throw new Error('nothing to choose from');
  };
  expect(positionsOf(3, 33, one(200), costAt)).toEqual(Array.from({ length: 99 }, (_, at) => at));
});
