// Runs that do not fit a machine: what is refused, in which words, and that the fix offered fits.
import { expect, test } from 'vitest';
import { FivefoldError } from '../errors.ts';
import { parseLayout } from '../mesh/layout.ts';
import { parseModelConfig } from '../model/families.ts';
import { presets } from '../model/presets.ts';
import type { StepSettings } from '../step/settings.ts';
import { checkGenerationFits, checkTrainingFits, fits } from './machine.ts';
import { estimateTraining } from './memory.ts';

const GB = 1e9;
const medium: StepSettings = {
  config: parseModelConfig(presets['llama-medium'], 'llama-medium'),
  layout: parseLayout('dp=2'),
  seqLen: 1024,
  microBatch: 8,
  microbatches: 2,
  precision: 'f32',
};

const messageOf = (run: () => void): string => {
  try {
    run();
    return 'fits';
  } catch (error) {
    expect((error as FivefoldError).exit).toBe(2);
    return error instanceof FivefoldError ? `${error.code}: ${error.message}` : String(error);
  }
};
const train = (changed: Partial<StepSettings>, bytes: number) =>
  messageOf(() => checkTrainingFits({ ...medium, ...changed }, bytes));

test('the fix is computed: smaller microbatches, then no replicas, then shorter sequences', () => {
  expect(
    [64, 12, 5, 3, 1.2, 0.4].map((size) => `${size} GB: ${train({}, size * GB)}`).join('\n'),
  ).toMatchInlineSnapshot(`
    "64 GB: fits
    12 GB: fits
    5 GB: MEMORY_SHORT: this run needs about 6.2 GB of memory (weights 207 MB, gradients 207 MB, optimizer 414 MB, activations 4.9 GB, scratch 242 MB, runtime 114 MB, base 80 MB) and 5.0 GB are available; use microBatch 4
    3 GB: MEMORY_SHORT: this run needs about 6.2 GB of memory (weights 207 MB, gradients 207 MB, optimizer 414 MB, activations 4.9 GB, scratch 242 MB, runtime 114 MB, base 80 MB) and 3.0 GB are available; use microBatch 2
    1.2 GB: MEMORY_SHORT: this run needs about 6.2 GB of memory (weights 207 MB, gradients 207 MB, optimizer 414 MB, activations 4.9 GB, scratch 242 MB, runtime 114 MB, base 80 MB) and 1.2 GB are available; use layout tp=1 and microBatch 1
    0.4 GB: MEMORY_SHORT: this run needs about 1.1 GB of memory (state 827 MB, activations 268 MB) and 400 MB are available; use a smaller model: every layout of one machine holds all of its weights, gradients and optimizer state"
  `);
  expect(train({ layout: parseLayout('tp=2,sp'), microBatch: 1 }, 0.9 * GB)).toMatchInlineSnapshot(`"fits"`);
});

test('replicas that take steps of their own are told no fewer of them, nor to share anything out', () => {
  const outer = { every: 10, learningRate: 0.7, momentum: 0.9 };
  expect(train({ outer }, 5 * GB)).toMatch(/; use microBatch 4$/);
  expect(train({ outer }, 1.6 * GB)).toMatch(/; use seqLen \d+ and microBatch 1$/);
});

test('replicas with microbatches by their speeds are told no fewer of them, nor to have as many each where they cannot', () => {
  const uneven = { speeds: [1, 0.5], shares: [3, 2], microbatches: 3, microBatch: 4 } as const;
  expect(train(uneven, 3 * GB)).toMatch(/; use microBatch 2$/);
  const one = { ...uneven, microBatch: 1 };
  expect(train(one, GB)).toMatch(/; use layout dp=2,zero=1,recompute=full$/);
  // Three and two microbatches are no even number of each.
  expect(train({ ...one, shares: [3, 1] }, 0.8 * GB)).toMatch(/; use layout dp=2,zero=3,recompute=full$/);
  expect(train(one, 0.8 * GB)).toMatch(/; use a smaller model/);
});

test('in f64, f32 is offered where it fits', () => {
  const wide = { precision: 'f64', layout: parseLayout('recompute=full'), microBatch: 1, microbatches: 1 } as const;
  const f32 = train({ ...wide, precision: 'f32' }, 0.9 * GB);
  expect(f32).toBe('fits');
  expect(train(wide, 0.9 * GB)).toMatch(/; use precision f32$/);
  const window = { ...medium, ...wide, seqLen: 2000 };
  expect(messageOf(() => checkGenerationFits(window, 1000, 0.3 * GB))).toMatch(/; use precision f32$/);
});

test('the microbatch offered is the largest that fits', () => {
  for (const available of [1.8 * GB, 3 * GB, 5 * GB]) {
    const offered = Number(/microBatch (\d+)/.exec(train({}, available).replace(/[^\w\s]/g, ''))?.[1]);
    const estimate = (size: number) => estimateTraining({ ...medium, microBatch: size, microbatches: 16 / size });
    expect(fits(estimate(offered), available)).toBe(true);
    expect(fits(estimate(offered * 2), available)).toBe(false);
  }
});

test('a program or a world too large for one machine is refused before it is written', () => {
  expect(train({ microBatch: 1, microbatches: 12_000 }, 64 * GB)).toMatchInlineSnapshot(
    `"OPTION_INVALID: microBatch: a step of 12000 microbatches of 8 layers is longer than can be planned (744 microbatches); use microBatch 20, or a smaller globalBatch"`,
  );
  expect(train({ layout: parseLayout('dp=5000') }, 64 * GB)).toMatchInlineSnapshot(
    `"OPTION_INVALID: layout: dp=5000 has 5000 ranks, and one machine runs at most 1024; make the product of its axes 1024 or less"`,
  );
});

test('generating too', () => {
  const window = {
    config: medium.config,
    layout: parseLayout('tp=1'),
    seqLen: 2000,
    precision: 'f32',
    microBatch: 1,
    microbatches: 1,
  } as const;
  const generate = (available: number) => messageOf(() => checkGenerationFits(window, 1000, available));
  expect([1, 0.3, 0.26, 0.1].map((size) => `${size} GB: ${generate(size * GB)}`).join('\n')).toMatchInlineSnapshot(`
    "1 GB: fits
    0.3 GB: fits
    0.26 GB: MEMORY_SHORT: this run needs about 314 MB of memory (weights 103 MB, activations 42 MB, scratch 15 MB, runtime 74 MB, base 80 MB) and 260 MB are available; use maxTokens 140
    0.1 GB: MEMORY_SHORT: this run needs about 314 MB of memory (weights 103 MB, activations 42 MB, scratch 15 MB, runtime 74 MB, base 80 MB) and 100 MB are available; use a smaller model: every layout of one machine holds all of its weights"
  `);
});

test('sizes at their bounds are refused in no time: nothing is looked at one by one', () => {
  const sizes = {
    vocab_size: 1e8,
    hidden_size: 2 ** 20,
    num_hidden_layers: 4000,
    num_attention_heads: 2 ** 16,
    head_dim: 2 ** 16,
    intermediate_size: 2 ** 24,
    max_position_embeddings: 2 ** 30,
  };
  const config = parseModelConfig({ model_type: 'llama', ...sizes }, 'bounds');
  const started = process.cpuUsage();
  const seqLen = 2 ** 30;
  expect(train({ config, seqLen, microBatch: 1, microbatches: 1 }, 64 * GB)).toContain('use a smaller model');
  const deep = { seqLen, microBatch: 2 ** 20, microbatches: 2, layout: parseLayout('tp=1') };
  const offered = /use seqLen (\d+) and microBatch (\d+)$/.exec(train(deep, 64 * GB)) ?? [];
  expect(train({ config, seqLen, layout: parseLayout('pp=1024') }, 64 * GB)).toContain('OPTION_INVALID');
  // What could fit is traced: some ten programs of the most passes there may be, a fifth of a second each.
  expect(process.cpuUsage(started).user / 1e6).toBeLessThan(5);
  const [length, microBatch] = offered.slice(1).map(Number) as [number, number];
  expect(train({ ...deep, seqLen: length, microBatch, microbatches: 2 ** 21 / microBatch }, 64 * GB)).toBe('fits');
});
