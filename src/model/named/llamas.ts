// Llama and models built like it: the config.json of each on huggingface.co (meta-llama, mistralai, HuggingFaceTB, TinyLlama).
import type { Config, Named } from './named.ts';

interface Sizes {
  readonly layers: number;
  readonly hidden: number;
  readonly heads: number;
  readonly kvHeads?: number;
  readonly mlp: number;
}

const likeLlama = ({ layers, hidden, heads, kvHeads = heads, mlp }: Sizes, vocab: number, more: object): Config => ({
  model_type: 'llama',
  architectures: ['LlamaForCausalLM'],
  vocab_size: vocab,
  hidden_size: hidden,
  num_hidden_layers: layers,
  num_attention_heads: heads,
  num_key_value_heads: kvHeads,
  intermediate_size: mlp,
  hidden_act: 'silu',
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  initializer_range: 0.02,
  tie_word_embeddings: false,
  ...more,
});

const llama1 = (sizes: Sizes) => likeLlama(sizes, 32000, { rms_norm_eps: 1e-6, max_position_embeddings: 2048 });
const llama2 = (sizes: Sizes) => likeLlama(sizes, 32000, { max_position_embeddings: 4096 });
const llama3 = (sizes: Sizes) => likeLlama(sizes, 128256, { rope_theta: 500000, max_position_embeddings: 8192 });
const longer = (factor: number) => ({
  max_position_embeddings: 131072,
  rope_scaling: {
    rope_type: 'llama3',
    factor,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  },
});

const seven = { layers: 32, hidden: 4096, heads: 32, mlp: 11008 };
const thirteen = { layers: 40, hidden: 5120, heads: 40, mlp: 13824 };
const eight = { layers: 32, hidden: 4096, heads: 32, kvHeads: 8, mlp: 14336 };
const seventy = { layers: 80, hidden: 8192, heads: 64, kvHeads: 8, mlp: 28672 };

/** The model of texts in meta-llama/Llama-4-*. */
const llama4 = (
  num_local_experts: number,
  interleave_moe_layer_step: number,
  max_position_embeddings: number,
): Config => ({
  model_type: 'llama4_text',
  vocab_size: 202048,
  hidden_size: 5120,
  num_hidden_layers: 48,
  num_attention_heads: 40,
  num_key_value_heads: 8,
  head_dim: 128,
  intermediate_size: 8192,
  intermediate_size_mlp: 16384,
  num_local_experts,
  num_experts_per_tok: 1,
  interleave_moe_layer_step,
  attention_chunk_size: 8192,
  hidden_act: 'silu',
  rms_norm_eps: 1e-5,
  rope_theta: 500000,
  max_position_embeddings,
  tie_word_embeddings: false,
});

const mixtral = (sizes: Sizes, max_position_embeddings: number): Config =>
  likeLlama(sizes, 32000, {
    model_type: 'mixtral',
    architectures: ['MixtralForCausalLM'],
    num_local_experts: 8,
    num_experts_per_tok: 2,
    rope_theta: 1000000,
    max_position_embeddings,
    sliding_window: null,
  });

export const llamas: Named = {
  'smollm2-135m': likeLlama({ layers: 30, hidden: 576, heads: 9, kvHeads: 3, mlp: 1536 }, 49152, {
    rope_theta: 100000,
    max_position_embeddings: 8192,
    initializer_range: 0.041666666666666664,
    tie_word_embeddings: true,
  }),
  // With Llama 2's tokenizer.
  'tinyllama-1.1b': likeLlama({ layers: 22, hidden: 2048, heads: 32, kvHeads: 4, mlp: 5632 }, 32000, {
    max_position_embeddings: 2048,
  }),
  // Touvron et al., "LLaMA: open and efficient foundation language models", 2023, table 2; huggyllama.
  'llama-7b': llama1(seven),
  'llama-13b': llama1(thirteen),
  'llama-30b': llama1({ layers: 60, hidden: 6656, heads: 52, mlp: 17920 }),
  'llama-65b': llama1({ layers: 80, hidden: 8192, heads: 64, mlp: 22016 }),
  'llama-2-7b': llama2(seven),
  'llama-2-13b': llama2(thirteen),
  'llama-2-70b': llama2(seventy),
  'llama-3-8b': llama3(eight),
  'llama-3-70b': llama3(seventy),
  'llama-3.1-8b': { ...llama3(eight), ...longer(8) },
  'llama-3.1-70b': { ...llama3(seventy), ...longer(8) },
  'llama-3.1-405b': { ...llama3({ layers: 126, hidden: 16384, heads: 128, kvHeads: 8, mlp: 53248 }), ...longer(8) },
  'llama-3.2-1b': {
    ...llama3({ layers: 16, hidden: 2048, heads: 32, kvHeads: 8, mlp: 8192 }),
    ...longer(32),
    head_dim: 64,
    tie_word_embeddings: true,
  },
  'llama-3.2-3b': {
    ...llama3({ layers: 28, hidden: 3072, heads: 24, kvHeads: 8, mlp: 8192 }),
    ...longer(32),
    head_dim: 128,
    tie_word_embeddings: true,
  },
  'llama-3.3-70b': { ...llama3(seventy), ...longer(8) },
  'llama-4-scout': llama4(16, 1, 10485760),
  'llama-4-maverick': llama4(128, 2, 1048576),
  // v0.1.
  'mistral-7b': likeLlama(eight, 32000, {
    model_type: 'mistral',
    architectures: ['MistralForCausalLM'],
    max_position_embeddings: 32768,
    sliding_window: 4096,
  }),
  'mixtral-8x7b': mixtral(eight, 32768),
  'mixtral-8x22b': mixtral({ layers: 56, hidden: 6144, heads: 48, kvHeads: 8, mlp: 16384 }, 65536),
};
