// The layout chosen for a machine: no other one that fits is estimated to be faster, and what memory cannot hold is shared out.
import { expect, test } from 'vitest';
import { oneRank, parseLayout, printLayout } from '../mesh/layout.ts';
import { worldSize } from '../mesh/mesh.ts';
import { parseModelConfig } from '../model/families.ts';
import { checkFit } from '../model/fit.ts';
import { presets } from '../model/presets.ts';
import { estimateStep } from '../plan/estimate-step.ts';
import { estimateTraining } from '../plan/memory.ts';
import type { StepSettings } from '../step/settings.ts';
import { type AutoLayoutOptions, autoLayout, searchLayouts } from './auto-layout.ts';
import { defaultMicroBatch } from './micro-batch.ts';

const config = parseModelConfig(presets['llama-tiny'], 'llama-tiny');
const alike = (cores: number, rate = 5e10) => Array.from({ length: cores }, () => rate);
/** A machine on which talking costs about what it does between threads. */
const ratesOf = (cores: number, talk = { secondsPerCall: 1e-5, secondsPerByte: 2e-10 }) => ({
  alone: 5e10,
  together: alike(cores),
  talk,
});
const optionsOf = (cores: number, globalBatch: number, more: Partial<AutoLayoutOptions> = {}): AutoLayoutOptions => ({
  ...{ config, seqLen: 64, globalBatch, precision: 'f32', cores, memoryBytes: Number.POSITIVE_INFINITY },
  ...{ rates: ratesOf(cores), ...more },
});
const choose = (...given: Parameters<typeof optionsOf>) => autoLayout(optionsOf(...given));

test.each([
  [1, 8, 'tp=1'],
  [2, 8, 'dp=2'],
  [4, 8, 'dp=4'],
  [2, 1, 'tp=2'],
])('%d cores, a batch of %d: %s', (cores, batch, expected) => {
  expect(printLayout(choose(cores, batch).layout)).toBe(expected);
});

test('every layout that is looked at is told, one after the other', () => {
  const told = [...searchLayouts(optionsOf(4, 8))];
  expect(told.map(({ done }) => done)).toEqual([...told.keys()]);
  expect(told.length).toBeGreaterThan(2);
  expect(Math.max(...told.map(({ total }) => total))).toBeGreaterThanOrEqual(told.length);
});

test.each([
  { secondsPerCall: 0, secondsPerByte: 0 },
  { secondsPerCall: 0, secondsPerByte: 1e-8 },
  { secondsPerCall: 1e-2, secondsPerByte: 0 },
])('no layout of four ranks that divides is faster than what is chosen where talking costs %o', (talk) => {
  const rates = ratesOf(4, talk);
  const texts = [1, 2, 3, 4].flatMap((dp) =>
    [1, 2, 4].flatMap((tp) =>
      [1, 2, 3, 4].flatMap((cp) =>
        [1, 2, 3, 4].flatMap((pp) =>
          ['', ',virtual=2', ',schedule=zb-h1'].flatMap((order) =>
            ['ring', 'ulysses'].map(
              (mode) => `dp=${dp},tp=${tp},cp=${cp},pp=${pp}${pp > 1 ? order : ''},cpMode=${mode}`,
            ),
          ),
        ),
      ),
    ),
  );
  const estimates = new Map<string, number>();
  for (const text of texts) {
    const layout = parseLayout(text);
    if (worldSize(layout) > 4) continue;
    const microBatch = defaultMicroBatch(8, layout);
    const settings = settingsOf(text, microBatch);
    if (!settings) continue;
    const seconds = estimateStep(settings, { secondsPerFlop: 1 / 5e10, ...talk, cores: 4 });
    estimates.set(printLayout(layout), seconds);
  }
  const { layout, seconds, next } = choose(4, 8, { rates });
  const sorted = [...estimates.values()].sort((a, b) => a - b);
  expect(estimates.size).toBeGreaterThan(15);
  expect(seconds).toBe(estimates.get(printLayout(layout)));
  expect([seconds, next!.seconds]).toEqual(sorted.slice(0, 2));
});

function settingsOf(text: string, microBatch: number): StepSettings | undefined {
  const layout = parseLayout(text);
  try {
    const microbatches = checkFit(config, layout, { seqLen: 64, globalBatch: 8, microBatch });
    return { config, layout, seqLen: 64, microBatch, microbatches, precision: 'f32' };
  } catch {
    return undefined;
  }
}

test('what is chosen divides, whatever the machine and the batch', () => {
  for (const cores of [1, 2, 3, 6])
    for (const globalBatch of [1, 2, 3, 5, 7]) {
      const { layout } = choose(cores, globalBatch);
      expect(worldSize(layout)).toBeLessThanOrEqual(cores);
      const microBatch = defaultMicroBatch(globalBatch, layout);
      expect(checkFit(config, layout, { seqLen: 64, globalBatch, microBatch })).toBeGreaterThan(0);
    }
});

test('cores that slow each other down are still used, unless talking costs more than they win', () => {
  const together = { alone: 5e10, together: alike(2, 3e10), talk: { secondsPerCall: 0, secondsPerByte: 0 } };
  expect(printLayout(choose(2, 8, { rates: together }).layout)).toBe('dp=2');
  const talk = { secondsPerCall: 10, secondsPerByte: 0 };
  expect(printLayout(choose(2, 8, { rates: { ...together, talk } }).layout)).toBe('tp=1');
});

test('replicas of a mixture share the experts out where summing their gradients costs more than sending tokens', () => {
  // One layer, one head and an odd length: nothing else divides.
  const one = { num_hidden_layers: 1, num_attention_heads: 1, num_key_value_heads: 1 };
  const mixture = parseModelConfig({ ...presets['mixtral-tiny'], ...one }, 'mixtral-tiny');
  const shape = { config: mixture, microBatch: 1 };
  const slow = ratesOf(2, { secondsPerCall: 0, secondsPerByte: 1e-10 });
  const text = (globalBatch: number, rates = slow) =>
    printLayout(choose(2, globalBatch, { ...shape, rates, seqLen: 7 }).layout);
  expect(text(2)).toBe('ep=2');
  expect(text(2, ratesOf(2, { secondsPerCall: 1, secondsPerByte: 0 }))).toBe('tp=1');
});

test('replicas that memory cannot hold share out their moments, then their weights', () => {
  const large = parseModelConfig({ ...presets['llama-medium'], num_hidden_layers: 24 }, 'large');
  // Calls cost, bytes do not: replicas talk least.
  const rates = ratesOf(2, { secondsPerCall: 1e-4, secondsPerByte: 0 });
  const chosen = (memoryBytes: number) =>
    printLayout(choose(2, 8, { config: large, microBatch: 1, memoryBytes, rates }).layout);
  // 77 M weights: 1.23 GB with gradients and moments, a replica more is that again.
  expect(chosen(3e9)).toBe('dp=2');
  expect(chosen(2.2e9)).toBe('dp=2,zero=1');
  expect(chosen(1.6e9)).toBe('dp=2,zero=3');
  expect(chosen(1000)).toBe('tp=1');
});

test('replicas that take steps of their own share nothing out', () => {
  const large = parseModelConfig({ ...presets['llama-medium'], num_hidden_layers: 24 }, 'large');
  const ofStep = { outer: { every: 10, learningRate: 0.7, momentum: 0.9 } };
  const rates = ratesOf(2, { secondsPerCall: 1e-4, secondsPerByte: 0 });
  const chosen = (memoryBytes: number) =>
    choose(2, 8, { config: large, microBatch: 1, ofStep, memoryBytes, rates }).layout;
  // They hold what they agreed on and the outer momentum besides: 0.6 GB.
  expect(printLayout(chosen(4e9))).toBe('dp=2');
  expect(chosen(2.8e9)).toMatchObject({ dp: 1, zero: 0 });
});

test.each([
  [2, 3, 'dp=3'],
  [4, 2, 'tp=2,dp=2'],
])('on %d cores a run of %d replicas keeps them: %s', (cores, replicas, expected) => {
  const ofStep = { outer: { every: 10, learningRate: 0.7, momentum: 0.9 } };
  expect(printLayout(choose(cores, 12, { ofStep, replicas, microBatch: 1 }).layout)).toBe(expected);
});

test('ranks that share experts out leave replicas to take steps of their own', () => {
  const mixture = parseModelConfig(presets['mixtral-tiny'], 'mixtral-tiny');
  const ofStep = { outer: { every: 10, learningRate: 0.7, momentum: 0.9 } };
  const rates = ratesOf(4, { secondsPerCall: 0, secondsPerByte: 1e-7 });
  const { layout, next } = choose(4, 4, { config: mixture, microBatch: 1, seqLen: 8, ofStep, rates });
  for (const { dp } of [layout, next!.layout]) expect(dp).toBeGreaterThan(1);
});

test('blocks are computed anew where memory is too short for what they keep', () => {
  const shape = { config, seqLen: 1024, microBatch: 4, precision: 'f32' } as const;
  const needs = (text: string) => estimateTraining({ ...shape, microbatches: 1, layout: parseLayout(text) }).total;
  const [kept, some, anew] = [needs('tp=1'), needs('recompute=selective'), needs('recompute=full')];
  expect(anew).toBeLessThan(some);
  expect(some).toBeLessThan(0.9 * kept);
  const chosen = (memoryBytes: number) => printLayout(choose(1, 4, { ...shape, memoryBytes }).layout);
  expect(chosen(kept)).toBe('tp=1');
  expect(chosen(some)).toBe('recompute=selective');
  expect(chosen(anew)).toBe('recompute=full');
});

test('of ranks of given speeds all are used, as they are best divided', () => {
  const rates = ratesOf(2, { secondsPerCall: 0, secondsPerByte: 0 });
  const { layout, seconds, next } = choose(2, 9, { ranks: 2, speeds: [1, 0.5], rates });
  expect(printLayout(layout)).toBe('dp=2');
  // Two thirds of the work at full speed.
  const { seconds: alone } = choose(1, 9);
  expect(seconds / alone).toBeCloseTo(2 / 3, 9);
  expect(worldSize(next!.layout)).toBe(2);
});

test('microbatches: large without a pipeline, several with one', () => {
  expect(defaultMicroBatch(16, { ...oneRank, dp: 2 })).toBe(4);
  expect(defaultMicroBatch(6, oneRank)).toBe(3);
  expect(defaultMicroBatch(16, { ...oneRank, pp: 2 })).toBe(2);
  expect(defaultMicroBatch(8, { ...oneRank, pp: 2 })).toBe(1);
  expect(defaultMicroBatch(5, { ...oneRank, dp: 2 })).toBe(1);
});
