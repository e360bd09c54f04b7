// The layout chosen for a machine: uses its cores, always fits, prefers data, and splits what memory cannot hold.
import { expect, test } from 'vitest';
import { oneRank, parseLayout, printLayout } from '../mesh/layout.ts';
import { worldSize } from '../mesh/mesh.ts';
import { parseModelConfig } from '../model/families.ts';
import { checkFit } from '../model/fit.ts';
import { presets } from '../model/presets.ts';
import { estimateTraining } from '../plan/memory.ts';
import { autoLayout, defaultMicroBatch } from './auto-layout.ts';

const config = parseModelConfig(presets['llama-tiny'], 'llama-tiny');
const choose = (cores: number, globalBatch: number, memoryBytes = Number.POSITIVE_INFINITY) =>
  autoLayout({ config, seqLen: 64, globalBatch, precision: 'f32', cores, memoryBytes });

test.each([
  [1, 8, 'tp=1'],
  [2, 8, 'dp=2'],
  [4, 8, 'dp=4'],
  [2, 1, 'tp=2'],
  [2, 3, 'tp=2'],
  [6, 3, 'tp=2,dp=3'],
  [8, 2, 'tp=4,dp=2'],
  [3, 4, 'pp=3'],
  [16, 1, 'tp=4,pp=4'],
])('%d cores, a batch of %d: %s', (cores, batch, expected) => {
  expect(printLayout(choose(cores, batch))).toBe(expected);
});

test('what is chosen fits, whatever the machine and the batch', () => {
  for (let cores = 1; cores <= 12; cores++)
    for (const globalBatch of [1, 2, 3, 5, 6, 7, 8, 12]) {
      const layout = choose(cores, globalBatch);
      expect(worldSize(layout)).toBeLessThanOrEqual(cores);
      const microBatch = defaultMicroBatch(globalBatch, layout);
      expect(checkFit(config, layout, { seqLen: 64, globalBatch, microBatch })).toBeGreaterThan(0);
    }
});

test('replicas that memory cannot hold share out their moments, then give way to tensor parallelism', () => {
  const large = parseModelConfig({ ...presets['llama-medium'], num_hidden_layers: 24 }, 'large');
  const chosen = (memoryBytes: number) =>
    printLayout(
      autoLayout({ config: large, seqLen: 64, globalBatch: 8, microBatch: 1, precision: 'f32', cores: 2, memoryBytes }),
    );
  // 77 M weights: 1.23 GB with gradients and moments, a replica more is that again.
  expect(chosen(3e9)).toBe('dp=2');
  expect(chosen(2.2e9)).toBe('dp=2,zero=1');
  expect(chosen(1.6e9)).toBe('tp=2');
  expect(chosen(1000)).toBe('tp=1');
});

test('replicas that take steps of their own share nothing out', () => {
  const large = parseModelConfig({ ...presets['llama-medium'], num_hidden_layers: 24 }, 'large');
  const ofStep = { outer: { every: 10, learningRate: 0.7, momentum: 0.9 } };
  const shape = { config: large, seqLen: 64, globalBatch: 8, microBatch: 1, precision: 'f32', cores: 2 } as const;
  // They hold what they agreed on and the outer momentum besides: 0.6 GB.
  expect(printLayout(autoLayout({ ...shape, ofStep, memoryBytes: 4e9 }))).toBe('dp=2');
  expect(printLayout(autoLayout({ ...shape, ofStep, memoryBytes: 2.8e9 }))).toBe('tp=2');
});

test('blocks are computed anew where memory is too short for what they keep', () => {
  const shape = { config, seqLen: 1024, microBatch: 4, precision: 'f32' } as const;
  const needs = (text: string) => estimateTraining({ ...shape, microbatches: 1, layout: parseLayout(text) }).total;
  const [kept, anew] = [needs('tp=1'), needs('recompute=full')];
  expect(anew).toBeLessThan(0.8 * kept);
  const chosen = (memoryBytes: number) => printLayout(autoLayout({ ...shape, globalBatch: 4, cores: 1, memoryBytes }));
  expect(chosen(kept)).toBe('tp=1');
  expect(chosen(anew)).toBe('recompute=full');
});

test('microbatches: large without a pipeline, several with one', () => {
  expect(defaultMicroBatch(16, { ...oneRank, dp: 2 })).toBe(4);
  expect(defaultMicroBatch(6, oneRank)).toBe(3);
  expect(defaultMicroBatch(16, { ...oneRank, pp: 2 })).toBe(2);
  expect(defaultMicroBatch(8, { ...oneRank, pp: 2 })).toBe(1);
  expect(defaultMicroBatch(5, { ...oneRank, dp: 2 })).toBe(1);
});
