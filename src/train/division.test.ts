// A run's work divided by speed: all of it once, no replica later than it must be, and what cannot be said in a line.
import { expect, test } from 'vitest';
import { parseLayout, printLayout } from '../mesh/layout.ts';
import { parseModelConfig } from '../model/families.ts';
import { presets } from '../model/presets.ts';
import { sequencesPerStep } from '../step/settings.ts';
import { divide, type Whole } from './division.ts';

const config = parseModelConfig(presets['llama-tiny'], 'llama-tiny');
const divided = (text: string, globalBatch: number, speeds?: readonly number[], more: Partial<Whole> = {}) =>
  divide({
    ...{ config, layout: parseLayout(text), seqLen: 64, precision: 'f32', globalBatch, ...more },
    ...(speeds ? { speeds } : {}),
  });

test.each([
  // The largest microbatch with which the slower replica is done as soon.
  ['dp=2', 12, [1, 0.5], 4, [2, 1]],
  ['dp=2', 8, [2, 1], 2, [3, 1]],
  ['dp=2', 8, [3, 2], 1, [5, 3]],
  ['dp=2', 9, [1, 0.5], 3, [2, 1]],
  ['dp=3', 8, [1, 1, 1], 1, [3, 3, 2]],
  ['dp=2,pp=2', 16, [1, 0.5, 1, 0.5], 1, [11, 5]],
  ['tp=2,dp=2', 6, [1, 1, 1, 0.5], 2, [2, 1]],
])('%s, %d sequences at speeds %j: microbatches of %d, %j', (text, globalBatch, speeds, microBatch, shares) => {
  const { notes, ...division } = divided(text, globalBatch, speeds);
  expect(division).toMatchObject({ microBatch, shares, microbatches: Math.max(...shares) });
  expect(sequencesPerStep(division)).toBe(globalBatch);
  expect(notes.at(-1)).toBe(`by speed, replicas do ${shares.join(', ')} microbatches of a step`);
});

test('ranks of one speed are divided as without, and speeds are told relative to the fastest', () => {
  const { speeds, ...division } = divided('dp=2,tp=2', 8, [3, 3, 3, 3]);
  expect(division).toEqual(divided('dp=2,tp=2', 8));
  expect(speeds).toEqual([1, 1, 1, 1]);
  expect(divided('tp=2', 8, [3, 6]).speeds).toEqual([0.5, 1]);
});

test.each(['dp=2,zero=2', 'dp=2,zero=3', 'cp=2,dp=2,zero=3'])('%s has alike replicas, and says why', (text) => {
  const speeds = text.startsWith('cp') ? [1, 1, 0.5, 0.5] : [1, 0.5];
  const { shares, notes } = divided(text, 8, speeds);
  expect(shares).toBeUndefined();
  expect(notes).toEqual([expect.stringMatching(/^all replicas do as many microbatches: zero=\d sums gradients/)]);
});

test('stages are by speed where replicas are alike too', () => {
  const { layout, shares, notes } = divided('dp=2,pp=2,zero=3', 8, [1, 1, 0.3, 0.3]);
  expect([printLayout(layout), shares]).toEqual(['dp=2,pp=2,zero=3,stages=3+1', undefined]);
  expect(notes).toEqual(['by speed, stages have 3, 1 layers']);
});

test.each([
  ['dp=2', 8, [1, 1, 1], {}, /speeds.*3 numbers for the 2 ranks of dp=2; give one for each rank, or measure/],
  ['dp=4', 3, [1, 1, 1, 0.5], {}, /globalBatch.*fewer than the 4 replicas; use .*globalBatch.* 4 or more/],
  ['dp=3', 8, [1, 1, 0.5], { microBatch: { given: 4 } }, /microBatch.*in microbatches of 4 are fewer.*microBatch.* 2/],
  ['dp=2', 8, [1, 0.5], { microBatch: { given: 3 } }, /microBatch.*3 does not divide the 8 sequences.*microBatch.* 2/],
  ['tp=3,dp=2', 8, [1, 1, 1, 1, 1, 1], {}, /tp=3 does not divide/],
])('%s, %d sequences, speeds %j, %j is refused', (text, globalBatch, speeds, more, message) => {
  expect(() => divided(text, globalBatch, speeds, more)).toThrow(message);
});
