// FLOPs a token: the formula against the operations that a real step holds.
import { expect, test } from 'vitest';
import { oneRank } from '../mesh/layout.ts';
import { tokensPerStep } from '../step/settings.ts';
import { buildTrainingStep } from '../step/training-step.ts';
import { parseModelConfig } from './families.ts';
import { matrixWeights, trainingFlopsPerToken, weightsOfToken } from './weights.ts';

const sizes = { vocab_size: 60, num_hidden_layers: 3, num_attention_heads: 4, intermediate_size: 48 };
const configs = [
  { ...sizes, model_type: 'llama', hidden_size: 32, num_key_value_heads: 2 },
  { ...sizes, model_type: 'qwen3', hidden_size: 20, num_key_value_heads: 1, head_dim: 6, tie_word_embeddings: true },
  { model_type: 'gpt2', vocab_size: 60, n_embd: 32, n_layer: 3, n_head: 4 },
  {
    ...{ ...sizes, model_type: 'qwen2_moe', hidden_size: 32, num_key_value_heads: 2, mlp_only_layers: [1] },
    ...{ num_experts: 7, num_experts_per_tok: 3, moe_intermediate_size: 12, shared_expert_intermediate_size: 20 },
  },
  {
    ...{ ...sizes, model_type: 'deepseek_v3', hidden_size: 32, q_lora_rank: 10, kv_lora_rank: 12, v_head_dim: 8 },
    ...{ qk_nope_head_dim: 6, qk_rope_head_dim: 4, n_routed_experts: 8, num_experts_per_tok: 3 },
    ...{ moe_intermediate_size: 12, n_shared_experts: 2, first_k_dense_replace: 1 },
  },
  { ...sizes, model_type: 'nemotron', hidden_size: 32, num_key_value_heads: 2 },
].map((json) => parseModelConfig(json, json.model_type));

test.each(configs)(
  '$family: outside of attention, a step multiplies every matrix weight of a token three times',
  (config) => {
    const settings = { config, layout: oneRank, seqLen: 16, microBatch: 2, microbatches: 3, precision: 'f32' } as const;
    const step = buildTrainingStep(settings, 0);
    let flops = 0;
    for (const instruction of step.instructions)
      if (instruction.kind === 'compute')
        for (const { op, inputs, attrs } of step.segments[instruction.segment]!.piece.nodes)
          flops += op.flops?.(inputs, attrs) ?? 0;
      else if (instruction.kind === 'blocks' && !instruction.node.op.name.startsWith('attention'))
        flops += instruction.flops;
    expect(flops).toBe(6 * weightsOfToken(config) * tokensPerStep(settings));
  },
);

test('Mixtral 8x7B has 46.7 billion weights, and a token meets 12.9 billion of them', () => {
  const config = parseModelConfig(
    {
      model_type: 'mixtral',
      vocab_size: 32000,
      hidden_size: 4096,
      num_hidden_layers: 32,
      num_attention_heads: 32,
      num_key_value_heads: 8,
      intermediate_size: 14336,
    },
    'mixtral',
  );
  // The published figures have the embedding and the norms besides.
  const others = 32000 * 4096 + 65 * 4096;
  expect(matrixWeights(config) + others).toBe(46_702_792_704);
  expect(weightsOfToken(config) + others).toBe(12_879_925_248);
});

test('Llama 2 7B on 4096 tokens', () => {
  const config = parseModelConfig(
    {
      model_type: 'llama',
      vocab_size: 32000,
      hidden_size: 4096,
      num_hidden_layers: 32,
      num_attention_heads: 32,
      intermediate_size: 11008,
    },
    'llama',
  );
  // 6,738,415,616 parameters without the input table's 131,072,000 and the norms' 266,240.
  expect(matrixWeights(config)).toBe(6_738_415_616 - 131_072_000 - 266_240);
  const attention = 6 * 32 * 4096 * 4096;
  expect(trainingFlopsPerToken(config, 4096)).toBe(6 * matrixWeights(config) + attention);
});

test('attention costs what its keys and values are wide, in each layer as far as that sees', () => {
  const latent = configs.find(({ family }) => family === 'deepseek_v3')!;
  const attention = (config: typeof latent, length: number) =>
    trainingFlopsPerToken(config, length) - 6 * weightsOfToken(config);
  // 3 layers of 4 heads, keys of 6 + 4 features and values of 8; 100 tokens see 50 on average, forward and twice that back.
  expect(attention(latent, 100)).toBe(3 * 4 * (10 + 8) * 2 * 3 * 50);
  const mixed = { ...configs[0]!, window: 8, wholeLayers: [1] };
  const [whole, windowed] = [configs[0]!, { ...configs[0]!, window: 8 }].map((config) => attention(config, 1024));
  expect(attention(mixed, 1024)).toBe((whole! + 2 * windowed!) / 3);
});

test('a window bounds what attention costs', () => {
  const config = { ...configs[0]!, window: 8 };
  expect(trainingFlopsPerToken(config, 1024)).toBe(trainingFlopsPerToken(config, 16));
  expect(trainingFlopsPerToken(config, 1024)).toBeLessThan(trainingFlopsPerToken(configs[0]!, 1024));
});
