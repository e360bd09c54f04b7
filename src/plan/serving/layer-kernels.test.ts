// Products of a layer: those of the program that the runtime runs, joined as engines join them; and what ranks share adds up.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseLayout } from '../../mesh/layout.ts';
import { parseModelConfig } from '../../model/families.ts';
import { presets } from '../../model/presets.ts';
import type { KernelShape } from '../../program/kernel-shape.ts';
import { partSummaries } from '../summary/part-summary.ts';
import { roleFormats } from './formats.ts';
import { layerForms } from './layer-forms.ts';
import { busiestSlots, type LayerWork, layerWork, usedExperts } from './layer-kernels.ts';
import type { ServingLayout } from './scenario.ts';
import { device, plainFormats } from './stand-ins.test-support.ts';

const one: ServingLayout = { tp: 1, pp: 1, dp: 1, cp: 1, ep: 1 };
const bytes = { activations: 4, parameters: 4, gradients: 4, moments: 4, master: 0 };

function flopsOf(kernel: KernelShape): number {
  if (kernel.kind === 'matmul') return 2 * kernel.batch * kernel.m * kernel.n * kernel.k;
  if (kernel.kind === 'grouped') return 2 * kernel.rows * kernel.n * kernel.k;
  return 0;
}

const productFlops = ({ kernels }: LayerWork): number => kernels.reduce((sum, { kernel }) => sum + flopsOf(kernel), 0);

const latent = { ...presets['deepseek-v2-lite'], first_k_dense_replace: 0, n_routed_experts: 8 };
const configOf = (name: string) => parseModelConfig(name === 'latent' ? latent : presets[name], name);

/** Tokens of prompts: what is written takes another way through latent attention. */
function work(name: string, layout: ServingLayout, tokens: number): LayerWork {
  const config = configOf(name);
  const formats = roleFormats(plainFormats, device);
  return layerWork(
    layerForms(config)[0]!,
    { written: 0, read: tokens },
    { config, layout, formats, activationBytes: 2 },
  );
}

describe('products', () => {
  test.each(['gpt2', 'llama-tiny', 'qwen3-0.6b', 'mixtral-tiny', 'latent'])(
    'of a block of %s have the FLOPs of its traced forward program',
    (name) => {
      const config = configOf(name);
      for (const [text, layout] of [
        ['tp=1', one],
        ['tp=2', { ...one, tp: 2 }],
      ] as const) {
        const tokens = 24;
        const settings = { config, layout: parseLayout(text), seqLen: tokens, microBatch: 1, microbatches: 1 } as const;
        const { forward } = partSummaries({ ...settings, precision: 'f32' }, bytes)('block', 0, 'none');
        const traced = forward.kernels.reduce((sum, { kernel, count }) => sum + count * flopsOf(kernel), 0);
        expect(traced).toBeGreaterThan(0);
        expect(productFlops(work(name, layout, tokens))).toBe(traced);
      }
    },
  );

  test('all ranks of tp together have those of one, but for the router, which each has', () => {
    const whole = productFlops(work('mixtral-tiny', one, 16));
    const half = work('mixtral-tiny', { ...one, tp: 2 }, 16);
    const { mixture, hiddenSize } = parseModelConfig(presets['mixtral-tiny'], 'model');
    expect(2 * productFlops(half)).toBe(whole + 2 * 16 * hiddenSize * mixture!.experts);
  });
});

describe('experts', () => {
  test('used by some tokens are as many as a count of random choices finds', () => {
    // 2,000 draws of 12 tokens: the mean of the count is known to about 0.03.
    const mixture = { experts: 16, perToken: 2 } as Parameters<typeof usedExperts>[0];
    let state = 7;
    const random = () => {
      state = (state * 1103515245 + 12345) % 2 ** 31;
      return state / 2 ** 31;
    };
    let used = 0;
    for (let draw = 0; draw < 2000; draw++) {
      const experts = new Set<number>();
      for (let token = 0; token < 12; token++) {
        const first = Math.floor(16 * random());
        experts.add(first).add((first + 1 + Math.floor(15 * random())) % 16);
      }
      used += experts.size;
    }
    expect(Math.abs(usedExperts(mixture, 12) - used / 2000)).toBeLessThan(0.1);
  });

  test('of the busiest rank have at least the mean of the slots and at most all', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100_000 }), fc.constantFrom(1, 2, 4, 8, 64), (slots, ranks) => {
        const busiest = busiestSlots(slots, ranks);
        expect(busiest).toBeGreaterThanOrEqual(slots / ranks);
        expect(busiest).toBeLessThanOrEqual(slots);
      }),
    );
  });
});

describe('talk', () => {
  const calls = (layout: ServingLayout) =>
    work('mixtral-tiny', layout, 8).talk.map(({ group, call }) => `${group} ${call}`);
  test('of one device is none', () => expect(calls(one)).toEqual([]));
  test('of tp is two sums a layer', () =>
    expect(calls({ ...one, tp: 2 })).toEqual(['tensor allReduce', 'tensor allReduce']));
  test('of ranks with requests of their own brings tokens to experts and back', () =>
    expect(calls({ ...one, dp: 2, ep: 2 })).toEqual(['stage allGather', 'stage reduceScatter']));
});
