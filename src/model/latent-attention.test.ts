// What latent attention sends between ranks of tp, and how its parameters lie over them.
import { expect, test } from 'vitest';
import { parseLayout } from '../mesh/layout.ts';
import { coordsOf } from '../mesh/mesh.ts';
import { parseModelConfig } from './families.ts';
import { paramSpecs } from './params.ts';
import { tracePart } from './parts.ts';

const config = (queryRank: number | null) =>
  parseModelConfig(
    {
      ...{ model_type: 'deepseek_v3', vocab_size: 32, hidden_size: 64, num_hidden_layers: 1, num_attention_heads: 4 },
      ...{ intermediate_size: 32, q_lora_rank: queryRank, kv_lora_rank: 12, v_head_dim: 8 },
      ...{ qk_nope_head_dim: 6, qk_rope_head_dim: 4, n_routed_experts: 4, num_experts_per_tok: 2 },
      ...{ moe_intermediate_size: 8, first_k_dense_replace: 1 },
    },
    'config.json',
  );

/** Collectives of the attention, forward and backward, as their op, what comes in and what goes out. */
function talk(queryRank: number | null, text: string): string[] {
  const layout = parseLayout(text);
  const settings = { config: config(queryRank), layout, coords: coordsOf(layout, 0), batch: 1, seqLen: 16 };
  const { forward, backward } = tracePart('block', settings);
  return [...forward.nodes, ...backward.nodes]
    .filter(({ op, site }) => op.execution.by === 'transport' && site === 'attention')
    .map(({ op, inputs, outputs }) => `${op.name} [${inputs[0]!.shape}] -> [${outputs[0]!.shape}]`);
}

test('what is narrow crosses into the tensor-parallel region in place of the residual, under sp', () => {
  expect(talk(10, 'tp=2,sp')).toEqual([
    // Of what queries are made of, of keys and values, and of the features that all keys share.
    'allGather [1,8,10] -> [1,16,10]',
    'allGather [1,8,12] -> [1,16,12]',
    'allGather [1,8,1,4] -> [1,16,1,4]',
    'reduceScatter [1,16,64] -> [1,8,64]',
    'allGather [1,8,64] -> [1,16,64]',
    'reduceScatter [1,16,1,4] -> [1,8,1,4]',
    'reduceScatter [1,16,12] -> [1,8,12]',
    'reduceScatter [1,16,10] -> [1,8,10]',
  ]);
});

test('and without sp; queries that are made of the input take the residual along', () => {
  const back = ['allReduce [1,16,1,4] -> [1,16,1,4]', 'allReduce [1,16,12] -> [1,16,12]'];
  const out = 'allReduce [1,16,64] -> [1,16,64]';
  expect(talk(10, 'tp=2')).toEqual([out, ...back, 'allReduce [1,16,10] -> [1,16,10]']);
  expect(talk(null, 'tp=2')).toEqual([out, ...back, out]);
});

test('what is narrow is on every rank of tp, what makes heads of it is cut by heads', () => {
  const typesOf = (text: string) =>
    paramSpecs(config(10), parseLayout(text), { name: 'block', layer: 0 })
      .filter(({ name }) => name.includes('self_attn'))
      .map(({ key, shape, types }) => `${key} [${shape}] ${types.tp}`);
  expect(typesOf('tp=2,sp')).toEqual([
    'qDown.weight [10,64] R',
    'qDownNorm.weight [10] R',
    'q.weight [40,10] V0',
    'kvDown.weight [16,64] R',
    'kvDownNorm.weight [12] R',
    'kv.weight [56,12] V0',
    'output.weight [64,32] V1',
  ]);
  // All do the same with it: no gradient is summed.
  expect(typesOf('tp=2').filter((line) => line.endsWith(' I')).length).toBe(4);
});
