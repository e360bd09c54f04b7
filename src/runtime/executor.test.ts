// A rank's program as it runs: sessions compiled once, the same bits every time, memory as it was planned.
import { describe, expect, test } from 'vitest';
import { aloneTransport } from '../../test/alone-transport.ts';
import { heldNumbers } from '../checkpoint/held-numbers.ts';
import { oneRank } from '../mesh/layout.ts';
import { coordsOf } from '../mesh/mesh.ts';
import { parseModelConfig } from '../model/families.ts';
import { flopsOf, memoryOf, stateBytes } from '../plan/predict-step.ts';
import { fillMicrobatch } from '../step/fill-tokens.ts';
import type { StepSettings } from '../step/settings.ts';
import { buildTrainingStep } from '../step/training-step.ts';
import { optimizerDefaults, writeOptimizer } from '../train/optimizer.ts';
import { createExecutor } from './executor.ts';
import { allocateMemory } from './memory.ts';

const config = (layers: number) =>
  parseModelConfig(
    {
      model_type: 'llama',
      vocab_size: 24,
      hidden_size: 16,
      num_hidden_layers: layers,
      num_attention_heads: 4,
      num_key_value_heads: 2,
      intermediate_size: 24,
    },
    'test',
  );
const settings = (layers: number): StepSettings => ({
  config: config(layers),
  layout: oneRank,
  seqLen: 8,
  microBatch: 2,
  microbatches: 2,
  precision: 'f64',
});

describe('executor', () => {
  test('a model of 32 layers needs no more sessions than one of 2: each different segment once', () => {
    const [few, many] = [buildTrainingStep(settings(2), 0), buildTrainingStep(settings(32), 0)];
    expect(many.segments.length).toBe(few.segments.length);
    // Forward and backward of a block before its attention, from there to its activation, and after that; the head's norm, its loss with
    // gradients, and its norm backward.
    expect(many.segments.length).toBe(9);
    expect(new Set(many.segments.map(({ structure }) => structure)).size).toBe(9);
    const runs = many.instructions.filter(({ kind }) => kind === 'compute').length;
    expect(runs).toBe(2 * (2 * 3 * 32 + 3));
  });

  test('running twice gives the same bits in the same memory, and counts every FLOP of the plan', () => {
    const step = buildTrainingStep(settings(2), 0);
    const memory = allocateMemory([step], (bytes) => new Uint8Array(bytes));
    const executor = createExecutor(step, { transport: aloneTransport(), memory });
    const { of } = executor.memory;
    for (const { spec, numbers } of heldNumbers(step.state, 'parameter', memory.state, oneRank, coordsOf(oneRank, 0)))
      numbers.forEach((_, i) => {
        numbers[i] = spec.initial === 'ones' ? 1 : Math.sin(i + 1) / 5;
      });
    let counted = 0;
    for (const tokens of step.tokens) {
      const row = Int32Array.from({ length: 9 }, (_, i) => (i * 7) % 24);
      counted += fillMicrobatch(of, tokens, settings(2), () => ({
        inputs: row.subarray(0, 8),
        targets: row.subarray(1),
      }));
    }
    of(step.counted!)[0] = counted;
    of(step.one!)[0] = 1;
    // A learning rate of zero leaves the weights as they are.
    writeOptimizer(of(step.optimizer), 1, optimizerDefaults(0, 1));

    const gradientsNow = () =>
      step.state.filter(({ role }) => role === 'gradient').map((vector) => memory.state.of(vector).slice());
    executor.run();
    const first = gradientsNow();
    expect(first.every((numbers) => numbers.some((value) => value !== 0))).toBe(true);
    const loss = of(step.loss)[0]!;
    expect(loss).toBeGreaterThan(1);
    executor.run();
    expect(of(step.loss)[0]).toBe(loss);
    expect(gradientsNow()).toEqual(first);

    const planned = step.instructions.reduce((sum, each) => sum + flopsOf(each, step), 0);
    expect(executor.flops()).toBe(2 * planned);
    const { activations, own } = memoryOf(step);
    expect(memory.bytes + executor.memory.ownBytes).toBe(stateBytes(step) + activations + own);
    expect(activations).toBeLessThanOrEqual(1.1 * step.livePeakBytes);
    executor.dispose();
  });
});
