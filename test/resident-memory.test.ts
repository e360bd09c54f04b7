// By how much a run makes its process's resident memory grow, against what is predicted: real runs, each in a process of its own.
import { expect, test } from 'vitest';
import { measureGrowth, residentCases } from '../bench/resident-memory.ts';
import { findModel } from '../src/checkpoint/model-source.ts';
import { parseLayout } from '../src/mesh/layout.ts';
import { estimateTraining } from '../src/plan/memory.ts';

// Elsewhere there is no peak to read, and other systems' allocators keep other amounts of what they have free.
const onLinux = test.runIf(process.platform === 'linux');

/** Predictions may be off by this share: some 5 % is when V8 collects its garbage, and how its compilers' memory lies. */
const tolerance = 0.1;
const error = (measured: number, predicted: number): number => Math.abs(measured / predicted - 1);

/** Of three wide layers that keep their input alone, so that neither state, activations nor scratch is a small share. */
const wide = {
  model: 'llama-medium',
  set: ['num_hidden_layers=3'],
  layout: 'tp=1,recompute=full',
  seqLen: 512,
  sequences: 16,
} as const;

onLinux('what is held in state, activations and scratch is resident, and nothing else', { timeout: 120_000 }, () => {
  const { model, set, layout, seqLen, sequences } = wide;
  const sizes = ['--seq-len', seqLen, '--global-batch', sequences, '--micro-batch', sequences].map(String);
  const { predicted, measured } = measureGrowth(['--model', model, '--set', ...set, '--layout', layout, ...sizes]);
  expect(error(measured, predicted)).toBeLessThan(tolerance);

  const { config } = findModel(model, set);
  const batch = { seqLen, microBatch: sequences, microbatches: 1 };
  const parts = estimateTraining({ config, layout: parseLayout(layout), ...batch, precision: 'f32' });
  expect(predicted).toBe(parts.processBytes);
  // Without any of them the same comparison fails.
  const state = parts.weights + parts.gradients + parts.optimizer;
  for (const forgotten of [state, parts.activations, parts.scratch])
    expect(error(measured, predicted - forgotten)).toBeGreaterThan(tolerance);
});

onLinux('two stages with every microbatch in flight', { timeout: 120_000 }, () => {
  const { predicted, measured } = measureGrowth(residentCases.gpipe);
  expect(error(measured, predicted)).toBeLessThan(tolerance);
});
