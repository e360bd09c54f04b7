// Products of a layer: those of the program that the runtime runs, joined as engines join them; and what ranks share adds up.
import { describe, expect, test } from 'vitest';
import { parseLayout } from '../../mesh/layout.ts';
import { parseModelConfig } from '../../model/families.ts';
import { presets } from '../../model/presets.ts';
import type { KernelShape } from '../../program/kernel-shape.ts';
import { summariesFor } from '../summary/part-summary.ts';
import { roleFormats } from './formats.ts';
import { layerForms } from './layer-forms.ts';
import { type LayerWork, layerWork } from './layer-kernels.ts';
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
        const { forward } = summariesFor({ ...settings, precision: 'f32' }, bytes).part('block', 0, 'none');
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

describe('talk', () => {
  const calls = (layout: ServingLayout) =>
    work('mixtral-tiny', layout, 8).talk.map(({ group, call }) => `${group} ${call}`);
  test('of one device is none', () => expect(calls(one)).toEqual([]));
  test('of tp is two sums a layer', () =>
    expect(calls({ ...one, tp: 2 })).toEqual(['tensor allReduce', 'tensor allReduce']));
  test('of cp brings keys and values of prompts to all', () =>
    expect(calls({ ...one, cp: 2, ep: 2 })[0]).toBe('context allGather'));
  test('of ranks with requests of their own brings tokens to experts and back', () =>
    expect(calls({ ...one, dp: 2, ep: 2 })).toEqual(['stage allGather', 'stage reduceScatter']));
});
