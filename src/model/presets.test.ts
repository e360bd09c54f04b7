// Models by name: as many parameters as is published of them, and a program for each of them in a layout that cuts all axes.
import { expect, test } from 'vitest';
import { oneRank, parseLayout } from '../mesh/layout.ts';
import { coordsOf } from '../mesh/mesh.ts';
import { layerLike } from './config.ts';
import { parseModelConfig } from './families.ts';
import { traceHead, traceLossAndGradient } from './head.ts';
import { paramSpecs, shardShape } from './params.ts';
import { tracePart } from './parts.ts';
import { findPreset, nearNames, presets } from './presets.ts';
import { parameterCount, weightsOfToken } from './weights.ts';

const configOf = (name: string) => parseModelConfig(findPreset(name), name);

/** Exactly: of the weights on huggingface.co (the metadata of their safetensors files, or what loading them counts). */
const exact: Readonly<Record<string, number>> = {
  gpt2: 124_439_808,
  'gpt2-medium': 354_823_168,
  'gpt2-large': 774_030_080,
  'gpt2-xl': 1_557_611_200,
  'bloom-560m': 559_214_592,
  'bloom-1b1': 1_065_314_304,
  'bloom-1b7': 1_722_408_960,
  'bloom-3b': 3_002_557_440,
  'bloom-7b1': 7_069_016_064,
  'bloom-176b': 176_247_271_424,
  'mpt-7b': 6_649_286_656,
  'smollm2-135m': 134_515_008,
  'tinyllama-1.1b': 1_100_048_384,
  'llama-7b': 6_738_415_616,
  'llama-13b': 13_015_864_320,
  'llama-30b': 32_528_943_616,
  'llama-65b': 65_285_660_672,
  'llama-2-7b': 6_738_415_616,
  'llama-2-13b': 13_015_864_320,
  'llama-2-70b': 68_976_648_192,
  'llama-3-8b': 8_030_261_248,
  'llama-3-70b': 70_553_706_496,
  'llama-3.1-8b': 8_030_261_248,
  'llama-3.1-70b': 70_553_706_496,
  'llama-3.1-405b': 405_853_388_800,
  'llama-3.2-1b': 1_235_814_400,
  'llama-3.2-3b': 3_212_749_824,
  'llama-3.3-70b': 70_553_706_496,
  'mistral-7b': 7_241_732_096,
  'mixtral-8x7b': 46_702_792_704,
  'mixtral-8x22b': 140_620_634_112,
  'qwen2.5-0.5b': 494_032_768,
  'qwen2.5-1.5b': 1_543_714_304,
  'qwen2.5-3b': 3_085_938_688,
  'qwen2.5-7b': 7_615_616_512,
  'qwen2.5-14b': 14_770_033_664,
  'qwen2.5-32b': 32_763_876_352,
  'qwen2.5-72b': 72_706_203_648,
  'qwen3-0.6b': 596_049_920,
  'qwen3-1.7b': 1_720_574_976,
  'qwen3-4b': 4_022_468_096,
  'qwen3-8b': 8_190_735_360,
  'qwen3-14b': 14_768_307_200,
  'qwen3-32b': 32_762_123_264,
  'qwen3-30b-a3b': 30_532_122_624,
  'qwen3-235b-a22b': 235_093_634_560,
  'deepseek-v2': 235_741_434_880,
  'deepseek-v2-lite': 15_706_484_224,
  'deepseek-v3': 671_026_419_200,
  'deepseek-r1': 671_026_419_200,
  'gpt-oss-20b': 20_914_757_184,
  'gpt-oss-120b': 116_829_156_672,
  'gemma-2b': 2_506_172_416,
  'gemma-7b': 8_537_680_896,
  'gemma-2-2b': 2_614_341_888,
  'gemma-2-9b': 9_241_705_984,
  'gemma-2-27b': 27_227_128_320,
  'gemma-3-270m': 268_098_176,
  'gemma-3-1b': 999_885_952,
};

/**
 * In billions, as reports round them, and how far off that may be: SC'21's table 1 to a decimal; GPT-3's table 2.1 to two figures, less
 * the embedding in its small ones; names to what they leave out.
 */
const rounded: Readonly<Record<string, readonly [billions: number, within: number]>> = {
  'gpt3-125m': [0.125, 0.01],
  'gpt3-350m': [0.35, 0.02],
  'gpt3-760m': [0.76, 0.01],
  'gpt3-1.3b': [1.3, 0.02],
  'gpt3-2.7b': [2.7, 0.02],
  'gpt3-6.7b': [6.7, 0.01],
  'gpt3-13b': [13, 0.02],
  'gpt3-175b': [175, 0.003],
  'megatron-1.7b': [1.7, 0.03],
  'megatron-3.6b': [3.6, 0.012],
  'megatron-7.5b': [7.5, 0.005],
  'megatron-18.4b': [18.4, 0.003],
  'megatron-39.1b': [39.1, 0.001],
  'megatron-76.1b': [76.1, 0.001],
  'megatron-145.6b': [145.6, 0.0005],
  'megatron-310.1b': [310.1, 0.0002],
  'megatron-529.6b': [529.6, 0.0001],
  'megatron-1t': [1008, 0.0001],
  'megatron-22b': [22, 0.005],
  'turing-530b': [530, 0.001],
  // "17 billion".
  'turing-17b': [17, 0.012],
  'mpt-125m': [0.125, 0.012],
  'mpt-350m': [0.35, 0.012],
  'mpt-760m': [0.76, 0.01],
  'mpt-1b': [1.3, 0.01],
  'mpt-3b': [2.65, 0.01],
  'mpt-13b': [12.8, 0.01],
  // Its card says 29.95 billion.
  'mpt-30b': [29.95, 0.001],
  'mpt-70b': [65, 0.01],
  // 109 and 400 billion with the model of pictures, which has 0.9.
  'llama-4-scout': [109 - 0.9, 0.005],
  'llama-4-maverick': [400, 0.005],
  'kimi-k2': [1000, 0.03],
  // Less the indexers and the layer that predicts a token more.
  'glm-5': [744, 0.02],
  'minimax-m2': [229, 0.003],
  'grok-1': [314, 0.006],
  // 3.2 billion of embedding and head, 12.5 of the rest; 9.4 and 331.6.
  'nemotron-4-15b': [15.7, 0.005],
  'nemotron-4-340b': [341, 0.001],
  // With the model of pictures 4.3, 12.19 and 27.43, of which 0.42 is that.
  'gemma-3-4b': [4.3 - 0.42, 0.001],
  'gemma-3-12b': [12.19 - 0.42, 0.001],
  'gemma-3-27b': [27.43 - 0.42, 0.001],
};

test.each(Object.entries(exact))('%s has %i parameters', (name, parameters) => {
  expect(parameterCount(configOf(name))).toBe(parameters);
});

test.each(Object.entries(rounded))('%s has about as many parameters as is said: %j', (name, [billions, within]) => {
  expect(Math.abs(parameterCount(configOf(name)) / 1e9 / billions - 1)).toBeLessThan(within);
});

test('every name is held to a published count, but for the small ones that are made up here', () => {
  const known = new Set([...Object.keys(exact), ...Object.keys(rounded)]);
  expect(Object.keys(presets).filter((name) => !known.has(name))).toEqual([
    ...['llama-tiny', 'llama-small', 'llama-medium', 'mixtral-tiny'],
  ]);
  expect(findPreset('constructor')).toBeUndefined();
  expect(findPreset('__proto__')).toBeUndefined();
});

/** Of mixtures: in billions, as their cards say; where they count the embedding too, with it. */
const active: Readonly<Record<string, readonly [billions: number, embedding: 'with' | 'without']>> = {
  'mixtral-8x7b': [12.9, 'with'],
  'mixtral-8x22b': [39, 'with'],
  'qwen3-30b-a3b': [3.3, 'with'],
  'qwen3-235b-a22b': [22, 'with'],
  'deepseek-v2': [21, 'without'],
  'deepseek-v2-lite': [2.4, 'without'],
  'deepseek-v3': [37, 'without'],
  'gpt-oss-20b': [3.6, 'without'],
  'gpt-oss-120b': [5.1, 'without'],
  'llama-4-scout': [17, 'with'],
  'llama-4-maverick': [17, 'with'],
  'kimi-k2': [32, 'without'],
  'glm-5': [40, 'without'],
};

// Cards round to two figures.
test.each(Object.entries(active))('a token meets so many weights of %s: %j', (name, [billions, embedding]) => {
  const config = configOf(name);
  const table = embedding === 'with' ? config.vocabSize * config.hiddenSize : 0;
  expect(Math.abs((weightsOfToken(config) + table) / 1e9 / billions - 1)).toBeLessThan(0.025);
});

test('no key of theirs is unknown, and those that are not all there say what is missing', () => {
  const configs = Object.keys(presets).map((name) => [name, configOf(name)] as const);
  expect(configs.filter(([, { ignored }]) => ignored.length > 0)).toEqual([]);
  const missing = new Map<string, string[]>();
  for (const [name, { planOnly }] of configs)
    if (planOnly !== undefined) missing.set(planOnly, [...(missing.get(planOnly) ?? []), name]);
  expect(Object.fromEntries([...missing].map(([lack, names]) => [lack, names.join(' ')]))).toMatchInlineSnapshot(`
    {
      "its attention is biased by distance": "bloom-560m bloom-1b1 bloom-1b7 bloom-3b bloom-7b1 bloom-176b mpt-125m mpt-350m mpt-760m mpt-1b mpt-3b mpt-7b mpt-13b mpt-30b mpt-70b",
      "its attention looks at chunks and its experts weigh what they are given": "llama-4-scout llama-4-maverick",
      "its attention looks at tokens that an indexer chooses": "glm-5",
      "its heads have sinks and its experts have bounds and biases": "gpt-oss-20b gpt-oss-120b",
      "its queries and keys are normed over all heads": "minimax-m2",
      "its scores of attention and its logits are capped": "gemma-2-2b gemma-2-9b gemma-2-27b",
      "its scores of attention are capped and its outputs are scaled": "grok-1",
    }
  `);
});

/** The layouts that a model's sizes allow, of all axes that can be cut. */
const layoutOf = (name: string) => {
  const { kvHeads, heads, mixture } = configOf(name);
  const tp = [8, 4, 2].find((ranks) => heads % ranks === 0 && (kvHeads % ranks === 0 || ranks % kvHeads === 0)) ?? 1;
  return parseLayout(`tp=${tp}${tp > 1 ? ',sp' : ''},cp=2,pp=2,dp=2${mixture ? ',ep=2' : ''}`);
};

test.each(Object.keys(presets))(
  '%s: programs of every part, and a gradient of every parameter that they read',
  (name) => {
    const config = configOf(name);
    const layout = layoutOf(name);
    const settings = { config, layout, coords: coordsOf(oneRank, 0), batch: 1, seqLen: 1024 };
    const layers = new Set(Array.from({ length: config.layers }, (_, layer) => layerLike(config, layer)));
    const parts = [{ name: 'embedding', layer: 0 }, ...[...layers].map((layer) => ({ name: 'block', layer }))] as const;
    for (const part of parts) {
      const { forward, backward } = tracePart(part.name as 'block', settings, { layer: part.layer });
      expect(forward.outputs.y!.shape).toEqual([1, layout.sp ? 1024 / layout.tp : 1024, config.hiddenSize]);
      const unread = paramSpecs(config, layout, { ...part, name: part.name as 'block' }).filter((spec) => {
        const sum = backward.outputs[`sum:${spec.key}`];
        if (sum) expect(sum.shape).toEqual(shardShape(spec, layout));
        return !sum && !spec.byLoad;
      });
      expect(unread.map(({ key }) => key)).toEqual(
        config.sinks && part.name === 'block'
          ? ['sinks.bias', 'experts.gate.bias', 'experts.up.bias', 'experts.down.bias']
          : [],
      );
    }
    expect(traceHead(settings).open.nodes.length).toBeGreaterThan(0);
    expect(traceLossAndGradient(settings, { rows: 1, length: 64 }).outputs.dh!.shape).toEqual([
      1,
      64,
      config.hiddenSize,
    ]);
  },
);

test('names that are nearly right find those that are meant', () => {
  const first = (name: string) => nearNames(name)[0];
  expect(first('Llama-3.1-405B-Instruct')).toBe('llama-3.1-405b');
  expect(first('llama3-8b')).toBe('llama-3-8b');
  expect(first('DeepSeek-V3-0324')).toBe('deepseek-v3');
  expect(first('gpt-3-175b')).toBe('gpt3-175b');
  expect(first('Qwen3-235B')).toBe('qwen3-235b-a22b');
  expect(first('mixtral8x7b')).toBe('mixtral-8x7b');
  expect(nearNames('runs/notes')).toEqual([]);
});
