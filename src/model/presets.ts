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

export const presets: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'llama-tiny': llama({ hidden: 128, layers: 4, heads: 4, kvHeads: 2, mlp: 352, vocab: byteVocabulary }),
  'llama-small': llama({ hidden: 256, layers: 6, heads: 8, kvHeads: 4, mlp: 704, vocab: byteVocabulary }),
  'llama-medium': llama({ hidden: 512, layers: 8, heads: 8, kvHeads: 8, mlp: 1408, vocab: byteVocabulary }),
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
};
