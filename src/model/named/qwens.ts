// Qwen 2.5 and 3: the config.json of Qwen/Qwen* on huggingface.co.
import type { Config, Named } from './named.ts';

type Sizes = readonly [layers: number, hidden: number, heads: number, kvHeads: number, mlp: number];

const qwen = ([layers, hidden, heads, kvHeads, mlp]: Sizes, tied: boolean) => ({
  hidden_size: hidden,
  num_hidden_layers: layers,
  num_attention_heads: heads,
  num_key_value_heads: kvHeads,
  intermediate_size: mlp,
  hidden_act: 'silu',
  rms_norm_eps: 1e-6,
  rope_theta: 1000000,
  initializer_range: 0.02,
  tie_word_embeddings: tied,
});

/** The small ones have fewer rows of padding in their vocabulary. */
const qwen25 = (sizes: Sizes, max_position_embeddings: number, { small = false, tied = false } = {}): Config => ({
  model_type: 'qwen2',
  architectures: ['Qwen2ForCausalLM'],
  vocab_size: small ? 151936 : 152064,
  ...qwen(sizes, tied),
  max_position_embeddings,
});

const qwen3 = (sizes: Sizes, tied = false): Config => ({
  model_type: 'qwen3',
  architectures: ['Qwen3ForCausalLM'],
  vocab_size: 151936,
  ...qwen(sizes, tied),
  head_dim: 128,
  attention_bias: false,
  max_position_embeddings: 40960,
});

const qwen3Moe = (sizes: Sizes, moe_intermediate_size: number): Config => ({
  ...qwen3(sizes),
  model_type: 'qwen3_moe',
  architectures: ['Qwen3MoeForCausalLM'],
  num_experts: 128,
  num_experts_per_tok: 8,
  moe_intermediate_size,
  norm_topk_prob: true,
  decoder_sparse_step: 1,
  mlp_only_layers: [],
});

const small = { small: true, tied: true };

export const qwens: Named = {
  'qwen2.5-0.5b': qwen25([24, 896, 14, 2, 4864], 32768, small),
  'qwen2.5-1.5b': qwen25([28, 1536, 12, 2, 8960], 131072, small),
  'qwen2.5-3b': qwen25([36, 2048, 16, 2, 11008], 32768, small),
  'qwen2.5-7b': qwen25([28, 3584, 28, 4, 18944], 131072),
  'qwen2.5-14b': qwen25([48, 5120, 40, 8, 13824], 131072),
  'qwen2.5-32b': qwen25([64, 5120, 40, 8, 27648], 131072),
  'qwen2.5-72b': qwen25([80, 8192, 64, 8, 29568], 131072),
  'qwen3-0.6b': qwen3([28, 1024, 16, 8, 3072], true),
  'qwen3-1.7b': qwen3([28, 2048, 16, 8, 6144], true),
  'qwen3-4b': qwen3([36, 2560, 32, 8, 9728], true),
  'qwen3-8b': qwen3([36, 4096, 32, 8, 12288]),
  'qwen3-14b': qwen3([40, 5120, 40, 8, 17408]),
  'qwen3-32b': qwen3([64, 5120, 64, 8, 25600]),
  'qwen3-30b-a3b': qwen3Moe([48, 2048, 32, 4, 6144], 768),
  'qwen3-235b-a22b': qwen3Moe([94, 4096, 64, 4, 12288], 1536),
};
