// The config.json of a model small enough to train in a moment, for text as bytes.
export const tinyLlama = {
  model_type: 'llama',
  vocab_size: 260,
  hidden_size: 32,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  intermediate_size: 48,
  hidden_act: 'silu',
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  max_position_embeddings: 64,
  initializer_range: 0.02,
  tie_word_embeddings: true,
};
