// Models by name, as the config.json they would have: small ones to train from scratch, and real ones to plan for.

const llama = (sizes: {
  hidden: number;
  layers: number;
  heads: number;
  kvHeads: number;
  mlp: number;
  vocab: number;
}) => ({
  model_type: 'llama',
  architectures: ['LlamaForCausalLM'],
  vocab_size: sizes.vocab,
  hidden_size: sizes.hidden,
  num_hidden_layers: sizes.layers,
  num_attention_heads: sizes.heads,
  num_key_value_heads: sizes.kvHeads,
  intermediate_size: sizes.mlp,
  hidden_act: 'silu',
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  max_position_embeddings: 2048,
  initializer_range: 0.02,
  tie_word_embeddings: true,
});

/** The byte tokenizer's 256 bytes and end of text, padded to a multiple of 64. */
const byteVocabulary = 320;

/** A preset by a name from outside. */
export const findPreset = (name: string): Readonly<Record<string, unknown>> | undefined =>
  Object.hasOwn(presets, name) ? presets[name] : undefined;

export const presets: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'llama-tiny': llama({ hidden: 128, layers: 4, heads: 4, kvHeads: 2, mlp: 352, vocab: byteVocabulary }),
  'llama-small': llama({ hidden: 256, layers: 6, heads: 8, kvHeads: 4, mlp: 704, vocab: byteVocabulary }),
  'llama-medium': llama({ hidden: 512, layers: 8, heads: 8, kvHeads: 8, mlp: 1408, vocab: byteVocabulary }),
  'mixtral-tiny': {
    ...llama({ hidden: 128, layers: 4, heads: 4, kvHeads: 2, mlp: 176, vocab: byteVocabulary }),
    model_type: 'mixtral',
    architectures: ['MixtralForCausalLM'],
    num_local_experts: 8,
    num_experts_per_tok: 2,
  },
  gpt2: {
    model_type: 'gpt2',
    architectures: ['GPT2LMHeadModel'],
    vocab_size: 50257,
    n_embd: 768,
    n_layer: 12,
    n_head: 12,
    n_positions: 1024,
    activation_function: 'gelu_new',
    layer_norm_epsilon: 1e-5,
    initializer_range: 0.02,
    tie_word_embeddings: true,
  },
  // Shapes with the vocabulary of a published tokenizer, to be given with it (tokenizer.json of the model on huggingface.co);
  // the figures are those of its config.json there. Weights are none: training starts from scratch.
  // HuggingFaceTB/SmolLM2-135M
  'smollm2-135m': {
    model_type: 'llama',
    architectures: ['LlamaForCausalLM'],
    vocab_size: 49152,
    hidden_size: 576,
    num_hidden_layers: 30,
    num_attention_heads: 9,
    num_key_value_heads: 3,
    intermediate_size: 1536,
    hidden_act: 'silu',
    rms_norm_eps: 1e-5,
    rope_theta: 100000,
    max_position_embeddings: 8192,
    initializer_range: 0.041666666666666664,
    tie_word_embeddings: true,
  },
  // TinyLlama/TinyLlama-1.1B-Chat-v1.0, with Llama 2's tokenizer
  'tinyllama-1.1b': {
    model_type: 'llama',
    architectures: ['LlamaForCausalLM'],
    vocab_size: 32000,
    hidden_size: 2048,
    num_hidden_layers: 22,
    num_attention_heads: 32,
    num_key_value_heads: 4,
    intermediate_size: 5632,
    hidden_act: 'silu',
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    max_position_embeddings: 2048,
    initializer_range: 0.02,
    tie_word_embeddings: false,
  },
  // meta-llama/Llama-3.2-1B
  'llama-3.2-1b': {
    model_type: 'llama',
    architectures: ['LlamaForCausalLM'],
    vocab_size: 128256,
    hidden_size: 2048,
    num_hidden_layers: 16,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    head_dim: 64,
    intermediate_size: 8192,
    hidden_act: 'silu',
    rms_norm_eps: 1e-5,
    rope_theta: 500000,
    rope_scaling: {
      rope_type: 'llama3',
      factor: 32,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
    },
    max_position_embeddings: 131072,
    initializer_range: 0.02,
    tie_word_embeddings: true,
  },
  // Qwen/Qwen3-0.6B
  'qwen3-0.6b': {
    model_type: 'qwen3',
    architectures: ['Qwen3ForCausalLM'],
    vocab_size: 151936,
    hidden_size: 1024,
    num_hidden_layers: 28,
    num_attention_heads: 16,
    num_key_value_heads: 8,
    head_dim: 128,
    intermediate_size: 3072,
    hidden_act: 'silu',
    attention_bias: false,
    rms_norm_eps: 1e-6,
    rope_theta: 1000000,
    max_position_embeddings: 40960,
    initializer_range: 0.02,
    tie_word_embeddings: true,
  },
};
