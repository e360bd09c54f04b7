import { describe, expect, test } from 'vitest';
import { aloneTransport } from '../../test/alone-transport.ts';
import { oneRank } from '../mesh/layout.ts';
import { parseModelConfig } from '../model/families.ts';
import type { StepSettings } from '../step/settings.ts';
import { buildTrainingStep } from '../step/training-step.ts';
import { createExecutor } from './executor.ts';

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
    // Forward and backward of a block and of the head.
    expect(many.segments.length).toBe(4);
    expect(new Set(many.segments.map(({ structure }) => structure)).size).toBe(4);
    const runs = many.instructions.filter(({ kind }) => kind === 'compute').length;
    expect(runs).toBe(2 * 2 * (32 + 1));
  });

  test('running twice gives the same bits in the same memory, and counts every FLOP of the plan', async () => {
    const step = buildTrainingStep(settings(2), 0);
    const executor = await createExecutor(step, { transport: aloneTransport() });
    const { memory } = executor;
    for (const { param, spec } of step.params)
      memory.of(param).forEach((_, i, all) => {
        all[i] = spec.initial === 'ones' ? 1 : Math.sin(i + 1) / 5;
      });
    for (const tokens of [...step.ids, ...step.targets])
      memory.of(tokens!).set(Array.from({ length: 16 }, (_, i) => (i * 7) % 24));
    memory.of(step.one!)[0] = 1;

    await executor.run();
    const first = step.params.map(({ gradient }) => memory.of(gradient).slice());
    const loss = memory.of(step.loss)[0]!;
    expect(loss).toBeGreaterThan(1);
    await executor.run();
    expect(memory.of(step.loss)[0]).toBe(loss);
    for (const [index, { gradient }] of step.params.entries()) expect(memory.of(gradient)).toEqual(first[index]);

    const planned = step.instructions.reduce(
      (sum, each) => sum + (each.kind === 'compute' ? step.segments[each.segment]!.flops : 0),
      0,
    );
    expect(executor.flops()).toBe(2 * planned);
    const lasting = step.buffers.reduce((sum, { role, bytes }) => sum + (role === 'activation' ? 0 : bytes), 0);
    expect(memory.bytes).toBe(lasting + step.arenaBytes);
    expect(memory.bytes).toBeLessThanOrEqual(1.1 * (lasting + step.livePeakBytes));
    await executor.dispose();
  });
});
