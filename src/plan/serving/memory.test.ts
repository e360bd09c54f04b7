// Bytes of weights against counted parameters; keys and values against figures that are known.
import { describe, expect, test } from 'vitest';
import { parseModelConfig } from '../../model/families.ts';
import { presets } from '../../model/presets.ts';
import { parameterCount } from '../../model/weights.ts';
import { enginePolicies } from './engines.ts';
import { cacheBytes, servingMemory } from './memory.ts';
import type { ServingLayout } from './scenario.ts';
import { device, plainFormats } from './stand-ins.test-support.ts';
import { weightBytes } from './weights.ts';

const one: ServingLayout = { tp: 1, pp: 1, dp: 1, cp: 1, ep: 1 };
const models = [
  'gpt2',
  'mixtral-tiny',
  'llama-3.1-70b',
  'qwen3-235b-a22b',
  'deepseek-v3',
  'gpt-oss-120b',
  'gemma-2-9b',
];
const configOf = (name: string) => parseModelConfig(presets[name], name);

describe('weights', () => {
  test.each(models)('%s: of one device are all parameters', (name) => {
    const config = configOf(name);
    expect(weightBytes(config, one, plainFormats)).toBe(2 * parameterCount(config));
  });

  test('are shared out by tp, but for routers and norms; experts by all ranks of a stage', () => {
    const config = configOf('mixtral-tiny');
    const whole = weightBytes(config, one, plainFormats);
    const norms = 2 * config.layers + 1;
    const onAll = 2 * config.hiddenSize * (norms + config.layers * config.mixture!.experts);
    expect(2 * weightBytes(config, { ...one, tp: 2 }, plainFormats)).toBe(whole + onAll);
    const rest = weightBytes(config, { ...one, dp: 2, ep: 2 }, plainFormats);
    const narrow = weightBytes(config, { ...one, dp: 2, ep: 2 }, { ...plainFormats, experts: 'fp8' });
    expect(whole - rest).toBe(2 * (rest - narrow));
  });
});

describe('keys and values', () => {
  test('of a token of Llama 70B are 320 KiB, of which tp=8 has an eighth and tp=16 no less', () => {
    const config = configOf('llama-3.1-70b');
    const bytes = (tp: number) => cacheBytes(config, { ...one, tp }, plainFormats, 1);
    expect([bytes(1), bytes(8), bytes(16)]).toEqual([327_680, 40_960, 40_960]);
  });

  test('of a token of DeepSeek-V3 are one vector of 576 a layer, on every rank of tp', () => {
    const config = configOf('deepseek-v3');
    const bytes = (tp: number) => cacheBytes(config, { ...one, tp }, plainFormats, 1);
    expect([bytes(1), bytes(8)]).toEqual([70_272, 70_272]);
  });

  test('of layers with a window are of no more tokens than it has', () => {
    const config = configOf('gpt-oss-120b');
    const bytes = (tokens: number) => cacheBytes(config, one, plainFormats, tokens);
    expect(bytes(1128) - bytes(128)).toBe(500 * bytes(1));
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
