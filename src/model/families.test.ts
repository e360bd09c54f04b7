// Config files of the families: what is read, and what is refused with which words.
import { expect, test } from 'vitest';
import { matrixWeights } from './config.ts';
import { families, parseModelConfig } from './families.ts';
import { presets } from './presets.ts';

const llama = {
  model_type: 'llama',
  vocab_size: 100,
  hidden_size: 32,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  intermediate_size: 64,
};
const gpt2 = { model_type: 'gpt2', vocab_size: 100, n_embd: 32, n_layer: 2, n_head: 4 };

const refusal = (json: unknown): string => {
  try {
    return `parsed as ${parseModelConfig(json, 'config.json').family}`;
  } catch (error) {
    return (error as Error).message;
  }
};

test('what cannot be read is refused', () => {
  const refused = [
    [],
    { vocab_size: 5 },
    { ...llama, model_type: 'bert' },
    { ...llama, hidden_size: undefined },
    { ...llama, hidden_size: 0 },
    { ...llama, num_hidden_layers: 1.5 },
    { ...llama, hidden_size: 33 },
    { ...llama, hidden_size: 36 },
    { ...llama, num_key_value_heads: 3 },
    { ...llama, hidden_act: 'gelu' },
    { ...llama, rope_scaling: { rope_type: 'yarn', factor: 4 } },
    { ...llama, model_type: 'qwen2', use_sliding_window: true },
    { ...gpt2, n_head: 5 },
    { ...gpt2, activation_function: 'relu' },
    { ...gpt2, scale_attn_weights: false },
    { ...gpt2, scale_attn_by_inverse_layer_idx: true },
  ];
  expect(refused.map(refusal).join('\n')).toMatchInlineSnapshot(`
    "config.json: Invalid input: expected object, received array; use the config.json of a Hugging Face model
    config.json: model_type: Invalid input: expected string, received undefined; use the config.json of a Hugging Face model
    config.json: model_type "bert" is not supported; use one of gpt2, llama, mistral, qwen2, qwen3
    config.json: hidden_size: Invalid input: expected number, received undefined; use the config.json of a Hugging Face model
    config.json: hidden_size: Too small: expected number to be >0; use the config.json of a Hugging Face model
    config.json: num_hidden_layers: Invalid input: expected int, received number; use the config.json of a Hugging Face model
    config.json: heads of 8.25 features cannot be rotated in pairs; make hidden_size an even multiple of num_attention_heads, or set head_dim
    config.json: heads of 9 features cannot be rotated in pairs; make hidden_size an even multiple of num_attention_heads, or set head_dim
    config.json: num_attention_heads 4 is not a multiple of num_key_value_heads 3; use a multiple of 3
    config.json: hidden_act gelu is not supported; use silu
    config.json: rope_type yarn is not supported; use default, linear or llama3
    config.json: use_sliding_window true is not supported; use false
    config.json: n_embd 32 is not a multiple of n_head 5; use a multiple of 5
    config.json: activation_function relu is not supported; use gelu_new
    config.json: scale_attn_weights false is not supported; use true
    config.json: scale_attn_by_inverse_layer_idx true is not supported; use false"
  `);
});

test('defaults are those of Hugging Face', () => {
  const config = parseModelConfig(llama, 'config.json');
  expect(config).toMatchObject({
    kvHeads: 4,
    headDim: 8,
    norm: 'rms',
    normEpsilon: 1e-6,
    activation: 'swiglu',
    qkvBias: false,
    tiedHead: false,
    source: llama,
  });
  expect(config.window).toBeUndefined();
  expect(parseModelConfig(gpt2, 'config.json')).toMatchObject({
    kvHeads: 4,
    headDim: 8,
    intermediateSize: 128,
    norm: 'layer',
    positions: { kind: 'learned', max: 1024 },
    qkvBias: true,
    tiedHead: true,
  });
});

test('switches of the families', () => {
  const parse = (family: string, more: object = {}) =>
    parseModelConfig({ ...llama, ...more, model_type: family }, family);
  expect(parse('qwen2')).toMatchObject({ qkvBias: true, outputBias: false, qkNorm: false });
  expect(parse('qwen3', { head_dim: 16 })).toMatchObject({ qkvBias: false, qkNorm: true, headDim: 16 });
  expect(parse('llama', { attention_bias: true })).toMatchObject({ qkvBias: true, outputBias: true, mlpBias: false });
  expect(parse('mistral', { sliding_window: 7 }).window).toBe(7);
  // Only Mistral's attention has a window; Qwen's configs carry the number with the switch off.
  expect(parse('qwen2', { sliding_window: 7, use_sliding_window: false }).window).toBeUndefined();
  expect(Object.keys(families)).toEqual(['gpt2', 'llama', 'mistral', 'qwen2', 'qwen3']);
});

test('presets parse', () => {
  const weights = Object.entries(presets).map(([name, json]) => [name, matrixWeights(parseModelConfig(json, name))]);
  expect(Object.fromEntries(weights)).toMatchInlineSnapshot(`
    {
      "gpt2": 123532032,
      "llama-medium": 25853952,
      "llama-small": 4505600,
      "llama-tiny": 778240,
    }
  `);
});
