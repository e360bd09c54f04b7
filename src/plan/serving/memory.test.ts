// Bytes of weights against counted parameters; keys and values against figures that are known.
import { describe, expect, test } from 'vitest';
import { matrixWeights } from '../../model/config.ts';
import { parseModelConfig } from '../../model/families.ts';
import { presets } from '../../model/presets.ts';
import { enginePolicies } from './engines.ts';
import { cacheBytes, servingMemory, weightBytes } from './memory.ts';
import type { ServingLayout } from './scenario.ts';
import { device, plainFormats } from './stand-ins.test-support.ts';

const one: ServingLayout = { tp: 1, pp: 1, dp: 1, cp: 1, ep: 1 };
const models = ['llama-tiny', 'mixtral-tiny', 'llama-3.2-1b', 'qwen3-0.6b'] as const;
const configOf = (name: (typeof models)[number]) => parseModelConfig(presets[name], name);

describe('weights', () => {
  test.each(models)('%s: of one device are those of all matrices', (name) => {
    const config = configOf(name);
    // A head of its own, or the embedding's.
    const embedding = config.tiedHead ? 0 : config.vocabSize * config.hiddenSize;
    expect(weightBytes(config, one, plainFormats)).toBe(2 * (matrixWeights(config) + embedding));
  });

  test('are shared out by tp, but for the router; experts by all ranks of a stage', () => {
    const config = configOf('mixtral-tiny');
    const whole = weightBytes(config, one, plainFormats);
    const routers = 2 * config.layers * config.mixture!.experts * config.hiddenSize;
    expect(2 * weightBytes(config, { ...one, tp: 2 }, plainFormats)).toBe(whole + routers);
    const rest = weightBytes(config, { ...one, dp: 2, ep: 2 }, plainFormats);
    const narrow = weightBytes(config, { ...one, dp: 2, ep: 2 }, { ...plainFormats, experts: 'fp8' });
    expect(whole - rest).toBe(2 * (rest - narrow));
  });
});

describe('keys and values', () => {
  const big = {
    ...presets['llama-3.2-1b'],
    hidden_size: 8192,
    num_hidden_layers: 80,
    num_attention_heads: 64,
    head_dim: 128,
  };
  test('of a token of Llama 70B are 320 KiB, of which tp=8 has an eighth and tp=16 no less', () => {
    const config = parseModelConfig(big, 'model');
    const bytes = (tp: number) => cacheBytes(config, { ...one, tp }, plainFormats, 1);
    expect([bytes(1), bytes(8), bytes(16)]).toEqual([327_680, 40_960, 40_960]);
  });

  test('of formats of a byte are half', () => {
    const config = configOf('llama-tiny');
    const formats = { ...plainFormats, cache: 'fp8' } as const;
    expect(cacheBytes(config, one, formats, 100) * 2).toBe(cacheBytes(config, one, plainFormats, 100));
  });

  test('fill what weights and buffers leave', () => {
    const config = configOf('llama-3.2-1b');
    const layout = { ...one, dp: 2 };
    const memory = servingMemory({
      config,
      device,
      layout,
      formats: plainFormats,
      policy: enginePolicies.vllm,
      requestTokens: 500,
    });
    const { weights, buffers, cache, cacheTokens } = memory;
    expect(weights + buffers + cache).toBeCloseTo(device.memoryBytes * enginePolicies.vllm.memoryShare, -2);
    expect(cacheBytes(config, layout, plainFormats, cacheTokens / 2)).toBeCloseTo(cache, -2);
  });
});
