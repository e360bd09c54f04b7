// Settings changed from a command line: what they become, and every way to write one wrong.
import { expect, test } from 'vitest';
import { parseModelConfig } from './families.ts';
import { overrideConfig } from './override.ts';
import { presets } from './presets.ts';

const tiny = presets['llama-tiny']!;

test('values as JSON writes them, later ones last, nothing else changed', () => {
  expect(overrideConfig(tiny, [])).toEqual(tiny);
  expect(overrideConfig(tiny, ['hidden_size=384', 'tie_word_embeddings=false', 'hidden_size=256'])).toEqual({
    ...tiny,
    hidden_size: 256,
    tie_word_embeddings: false,
  });
  expect(overrideConfig(tiny, ['hidden_act=silu', 'head_dim=null', 'rms_norm_eps=1e-6'])).toEqual({
    ...tiny,
    hidden_act: 'silu',
    head_dim: null,
    rms_norm_eps: 1e-6,
  });
});

test("a mixture's settings", () => {
  const json = overrideConfig(presets['mixtral-tiny'], ['num_local_experts=4', 'num_experts_per_tok=1']);
  expect(parseModelConfig(json, 'changed').mixture).toMatchObject({ experts: 4, perToken: 1 });
});

test('rope settings are reached by a dot', () => {
  const json = overrideConfig(tiny, ['rope_scaling.rope_type=linear', 'rope_scaling.factor=8']);
  expect(json.rope_scaling).toEqual({ rope_type: 'linear', factor: 8 });
  const { positions } = parseModelConfig(json, 'changed');
  expect(positions).toMatchObject({ frequencies: expect.arrayContaining([1 / 8]) });
});

test('a dropout can be switched off', () => {
  const asked = { ...presets.gpt2, resid_pdrop: 0.1 };
  expect(parseModelConfig(asked, 'gpt2').dropout).toEqual(['resid_pdrop=0.1']);
  expect(parseModelConfig(overrideConfig(asked, ['resid_pdrop=0']), 'gpt2').dropout).toEqual([]);
});

test('every mistake says what to write', () => {
  const wrong = [
    'hidden_size',
    '=3',
    'hidden_size=',
    'hidden_size=big',
    'hidden_size=0',
    'hidden_size=2147483648',
    'hidden_size=1.5',
    'hidden_size=[1]',
    'n_embd=64',
    'constructor=1',
    '__proto__=1',
    'model_type=gpt2',
    'vocab_size.x=1',
    'rope_scaling.beta=1',
    'rope_scaling.factor=-1',
    'rope_scaling.factor.x=1',
    'tie_word_embeddings=maybe',
  ];
  const messages = wrong.map((setting) => {
    try {
      return `became ${JSON.stringify(overrideConfig(tiny, [setting]))}`;
    } catch (error) {
      return (error as Error).message;
    }
  });
  expect(messages.join('\n')).toMatchInlineSnapshot(`
    "set hidden_size: it is no key=value; write it like hidden_size=384
    set =3: it is no key=value; write it like hidden_size=384
    set hidden_size=: Invalid input: expected number, received string; give a value that the model can have
    set hidden_size=big: Invalid input: expected number, received string; give a value that the model can have
    set hidden_size=0: Too small: expected number to be >0; give a value that the model can have
    set hidden_size=2147483648: Too big: expected number to be <=1048576; give a value that the model can have
    set hidden_size=1.5: Invalid input: expected int, received number; give a value that the model can have
    set hidden_size=[1]: a list or an object cannot be set; set one number, text, true, false or null
    set n_embd=64: a llama config has no setting "n_embd"; use one of vocab_size, hidden_size, num_hidden_layers, num_attention_heads, num_key_value_heads, head_dim, intermediate_size, hidden_act, rms_norm_eps, max_position_embeddings, initializer_range, tie_word_embeddings, attention_bias, mlp_bias, rope_theta, rope_scaling, rope_parameters, sliding_window, use_sliding_window, layer_types
    set constructor=1: a llama config has no setting "constructor"; use one of vocab_size, hidden_size, num_hidden_layers, num_attention_heads, num_key_value_heads, head_dim, intermediate_size, hidden_act, rms_norm_eps, max_position_embeddings, initializer_range, tie_word_embeddings, attention_bias, mlp_bias, rope_theta, rope_scaling, rope_parameters, sliding_window, use_sliding_window, layer_types
    set __proto__=1: a llama config has no setting "__proto__"; use one of vocab_size, hidden_size, num_hidden_layers, num_attention_heads, num_key_value_heads, head_dim, intermediate_size, hidden_act, rms_norm_eps, max_position_embeddings, initializer_range, tie_word_embeddings, attention_bias, mlp_bias, rope_theta, rope_scaling, rope_parameters, sliding_window, use_sliding_window, layer_types
    set model_type=gpt2: a llama config has no setting "model_type"; use one of vocab_size, hidden_size, num_hidden_layers, num_attention_heads, num_key_value_heads, head_dim, intermediate_size, hidden_act, rms_norm_eps, max_position_embeddings, initializer_range, tie_word_embeddings, attention_bias, mlp_bias, rope_theta, rope_scaling, rope_parameters, sliding_window, use_sliding_window, layer_types
    set vocab_size.x=1: "vocab_size.x" is no setting in a setting; use rope_scaling.factor or rope_parameters.factor
    set rope_scaling.beta=1: rope_scaling has no setting "beta"; use one of rope_type, type, rope_theta, factor, low_freq_factor, high_freq_factor, original_max_position_embeddings, beta_fast, beta_slow, truncate, attention_factor, mscale, mscale_all_dim, partial_rotary_factor
    set rope_scaling.factor=-1: Too small: expected number to be >0; give a value that the model can have
    set rope_scaling.factor.x=1: "rope_scaling.factor.x" is no setting in a setting; use rope_scaling.factor or rope_parameters.factor
    set tie_word_embeddings=maybe: Invalid input: expected boolean, received string; give a value that the model can have"
  `);
});
