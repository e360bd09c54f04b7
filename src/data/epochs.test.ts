// How often data are seen, against counting it out.
import { expect, test } from 'vitest';
import { epochSequences, stepsForEpochs, timesSeen } from './epochs.ts';
import { mixing } from './mixing.ts';

test('one source', () => {
  const sources = [{ training: 100, share: 1 }];
  expect(epochSequences(sources)).toBe(100);
  expect(timesSeen(sources, 25, 8)).toEqual([2]);
  expect(stepsForEpochs(sources, 1, 8)).toBe(13);
  expect(stepsForEpochs(sources, 2, 8)).toBe(25);
  expect(stepsForEpochs(sources, 0.001, 8)).toBe(1);
});

test('of a mix every source is seen as often as the order has it', () => {
  const mix = mixing([3, 1]);
  const sources = [1000, 50].map((training, source) => ({ training, share: mix.shares[source]! }));
  const steps = stepsForEpochs(sources, 2, 10);
  expect(steps).toBe(210);
  const counts = [0, 0];
  for (let position = 0; position < steps * 10; position += 1) counts[mix.at(position).source]! += 1;
  expect(timesSeen(sources, steps, 10)).toEqual([counts[0]! / 1000, counts[1]! / 50]);
});
