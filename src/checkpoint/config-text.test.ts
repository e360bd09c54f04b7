// The config.json of a checkpoint, as transformers takes it.
import { expect, test } from 'vitest';
import { configText } from './config-text.ts';

test('names the type of the saved weights, by its newer key alone', () => {
  expect(JSON.parse(configText({ model_type: 'llama', torch_dtype: 'float16' }, 'bf16'))).toEqual({
    model_type: 'llama',
    dtype: 'bfloat16',
  });
});

test('real numbers are written as such, as transformers asks for; all others as they are', () => {
  const source = {
    router_jitter_noise: 0,
    hidden_size: 16,
    rms_norm_eps: 1e-7,
    initializer_range: 1,
    note: '"initializer_range": 1\n"initializer_range": 1,',
    rope_parameters: { factor: 8, attention_factor: 2 },
    router_aux_loss_coef: 0,
  };
  const text = configText(source, 'f64');
  expect(text).toBe(`{
  "router_jitter_noise": 0.0,
  "hidden_size": 16,
  "rms_norm_eps": 1e-7,
  "initializer_range": 1.0,
  "note": "\\"initializer_range\\": 1\\n\\"initializer_range\\": 1,",
  "rope_parameters": {
    "factor": 8,
    "attention_factor": 2.0
  },
  "router_aux_loss_coef": 0.0,
  "dtype": "float64"
}
`);
  expect(JSON.parse(text)).toEqual({ ...source, dtype: 'float64' });
});
