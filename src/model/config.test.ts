// FLOPs a token: the formula against the operations that a real step holds.
import { expect, test } from 'vitest';
import { oneRank } from '../mesh/layout.ts';
import { tokensPerStep } from '../step/settings.ts';
import { buildTrainingStep } from '../step/training-step.ts';
import { matrixWeights, trainingFlopsPerToken } from './config.ts';
import { parseModelConfig } from './families.ts';

const sizes = { vocab_size: 60, num_hidden_layers: 3, num_attention_heads: 4, intermediate_size: 48 };
const configs = [
  { ...sizes, model_type: 'llama', hidden_size: 32, num_key_value_heads: 2 },
  { ...sizes, model_type: 'qwen3', hidden_size: 20, num_key_value_heads: 1, head_dim: 6, tie_word_embeddings: true },
  { model_type: 'gpt2', vocab_size: 60, n_embd: 32, n_layer: 3, n_head: 4 },
].map((json) => parseModelConfig(json, json.model_type));

test.each(configs)('$family: outside of attention, a step multiplies every matrix weight three times', (config) => {
  const settings = { config, layout: oneRank, seqLen: 16, microBatch: 2, microbatches: 3, precision: 'f32' } as const;
  const step = buildTrainingStep(settings, 0);
  let flops = 0;
  for (const instruction of step.instructions)
    if (instruction.kind === 'compute')
      for (const { op, inputs, attrs } of step.segments[instruction.segment]!.piece.nodes)
        if (!op.name.startsWith('attention')) flops += op.flops?.(inputs, attrs) ?? 0;
  expect(flops).toBe(6 * matrixWeights(config) * tokensPerStep(settings));
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

test('a window bounds what attention costs', () => {
  const config = { ...configs[0]!, window: 8 };
  expect(trainingFlopsPerToken(config, 1024)).toBe(trainingFlopsPerToken(config, 16));
  expect(trainingFlopsPerToken(config, 1024)).toBeLessThan(trainingFlopsPerToken(configs[0]!, 1024));
});
