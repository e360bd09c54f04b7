// GPT-2, GPT-3, and what was published of Megatron and Turing models, which are built like GPT-2; Bloom and MPT.
import type { Named } from './named.ts';

const gpt2 = (n_layer: number, n_embd: number, n_head: number, more: object = {}) => ({
  model_type: 'gpt2',
  architectures: ['GPT2LMHeadModel'],
  vocab_size: 50257,
  n_embd,
  n_layer,
  n_head,
  n_positions: 1024,
  activation_function: 'gelu_new',
  layer_norm_epsilon: 1e-5,
  initializer_range: 0.02,
  tie_word_embeddings: true,
  ...more,
});

/**
 * Brown et al., "Language models are few-shot learners", 2020, table 2.1; every layer sees all positions, where every second of the
 * original's sees a band.
 */
const gpt3 = (n_layer: number, n_embd: number, n_head: number) => gpt2(n_layer, n_embd, n_head, { n_positions: 2048 });

/** A vocabulary padded to 51,200. */
const megatron = (n_layer: number, n_embd: number, n_head: number) =>
  gpt2(n_layer, n_embd, n_head, { n_positions: 2048, vocab_size: 51200 });

/** The config.json of bigscience/bloom-* on huggingface.co. */
const bloom = (n_layer: number, hidden_size: number, n_head: number) => ({
  model_type: 'bloom',
  architectures: ['BloomForCausalLM'],
  vocab_size: 250880,
  hidden_size,
  n_layer,
  n_head,
  layer_norm_epsilon: 1e-5,
  initializer_range: 0.02,
});

/** The config.json of mosaicml/mpt-7b and -30b on huggingface.co; other sizes are those of llm-foundry's files for pretraining. */
const mpt = (n_layers: number, d_model: number, n_heads: number, vocab_size = 50368, max_seq_len = 2048) => ({
  model_type: 'mpt',
  architectures: ['MPTForCausalLM'],
  vocab_size,
  d_model,
  n_layers,
  n_heads,
  expansion_ratio: 4,
  max_seq_len,
  no_bias: true,
  attn_config: { alibi: true },
});

export const gpts: Named = {
  // openai-community/gpt2* on huggingface.co.
  gpt2: gpt2(12, 768, 12),
  'gpt2-medium': gpt2(24, 1024, 16),
  'gpt2-large': gpt2(36, 1280, 20),
  'gpt2-xl': gpt2(48, 1600, 25),
  'gpt3-125m': gpt3(12, 768, 12),
  'gpt3-350m': gpt3(24, 1024, 16),
  'gpt3-760m': gpt3(24, 1536, 16),
  'gpt3-1.3b': gpt3(24, 2048, 16),
  'gpt3-2.7b': gpt3(32, 2560, 32),
  'gpt3-6.7b': gpt3(32, 4096, 32),
  // The table says 5,140 features, and 40 heads of 128, which are 5,120.
  'gpt3-13b': gpt3(40, 5120, 40),
  'gpt3-175b': gpt3(96, 12288, 96),
  // Narayanan et al., "Efficient large-scale language model training on GPU clusters using Megatron-LM", SC'21, table 1.
  'megatron-1.7b': megatron(24, 2304, 24),
  'megatron-3.6b': megatron(30, 3072, 32),
  'megatron-7.5b': megatron(36, 4096, 32),
  'megatron-18.4b': megatron(40, 6144, 48),
  'megatron-39.1b': megatron(48, 8192, 64),
  'megatron-76.1b': megatron(60, 10240, 80),
  'megatron-145.6b': megatron(80, 12288, 96),
  'megatron-310.1b': megatron(96, 16384, 128),
  'megatron-529.6b': megatron(105, 20480, 128),
  'megatron-1t': megatron(128, 25600, 160),
  // Korthikanti et al., "Reducing activation recomputation in large transformer models", 2022, table 3.
  'megatron-22b': megatron(48, 6144, 64),
  // Smith et al., "Using DeepSpeed and Megatron to train Megatron-Turing NLG 530B", 2022.
  'turing-530b': megatron(105, 20480, 128),
  // Rosset, "Turing-NLG: a 17-billion-parameter language model", 2020.
  'turing-17b': gpt2(78, 4256, 28, { vocab_size: 51200 }),
  'bloom-560m': bloom(24, 1024, 16),
  'bloom-1b1': bloom(24, 1536, 16),
  'bloom-1b7': bloom(24, 2048, 16),
  'bloom-3b': bloom(30, 2560, 32),
  'bloom-7b1': bloom(30, 4096, 32),
  'bloom-176b': bloom(70, 14336, 112),
  'mpt-125m': mpt(12, 768, 12),
  'mpt-350m': mpt(24, 1024, 16),
  'mpt-760m': mpt(24, 1536, 12),
  'mpt-1b': mpt(24, 2048, 16),
  'mpt-3b': mpt(32, 2560, 20),
  'mpt-7b': mpt(32, 4096, 32, 50432),
  'mpt-13b': mpt(40, 5120, 40),
  'mpt-30b': mpt(48, 7168, 64, 50432, 8192),
  'mpt-70b': mpt(80, 8192, 64),
};
