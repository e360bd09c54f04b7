// Buckets: every parameter of a stage in one of them, side by side, padded so that data ranks have even parts.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { anyCase, settingsOf } from '../../test/random-cases.ts';
import { parseLayout } from '../mesh/layout.ts';
import { parseModelConfig } from '../model/families.ts';
import { paramSpecs, shardShape } from '../model/params.ts';
import { stageParts } from '../model/stages.ts';
import { elements } from '../program/program.ts';
import { bucketsOf, loadBucketOf } from './buckets.ts';

test('every parameter of a stage has one slot; slots start at cache lines and leave no more than a line between them', () => {
  fc.assert(
    fc.property(anyCase, (each) => {
      const { config, layout } = settingsOf(each, 'f64');
      for (let stage = 0; stage < layout.pp; stage++) {
        const buckets = bucketsOf(config, layout, stage);
        const specs = stageParts(config, layout, stage).flatMap((part) => paramSpecs(config, layout, part));
        const byLoad = loadBucketOf(config, layout, stage);
        const names = [...buckets, ...(byLoad ? [byLoad] : [])].flatMap(({ slots }) =>
          slots.map(({ spec }) => spec.name),
        );
        expect(names.toSorted()).toEqual([...new Set(specs.map(({ name }) => name))].sort());
        expect(new Set(buckets.map(({ name }) => name)).size).toBe(buckets.length);
        for (const { slots, size, types } of buckets) {
          const ep = types.ep === 'V0' ? 1 : layout.ep;
          const sharing = layout.cp * ep * layout.dp;
          let end = 0;
          for (const slot of slots) {
            expect(slot.size).toBe(elements(shardShape(slot.spec, layout)));
            expect(slot.start % 16).toBe(0);
            expect(slot.start).toBeGreaterThanOrEqual(end);
            expect(slot.start - end).toBeLessThan(16);
            end = slot.start + slot.size;
          }
          expect(size).toBeGreaterThanOrEqual(end);
          // A cache line for each rank that may share it out at most.
          expect(size - end).toBeLessThan(16 * (1 + sharing));
          expect(size % (16 * sharing)).toBe(0);
        }
      }
    }),
    { numRuns: 200 },
  );
});

const config = parseModelConfig(
  {
    model_type: 'llama',
    vocab_size: 12,
    hidden_size: 8,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    intermediate_size: 12,
    tie_word_embeddings: true,
  },
  'llama',
);
const print = (text: string, stage = 0): string =>
  bucketsOf(config, parseLayout(text), stage)
    .map(
      ({ name, slots, size }) =>
        `${name} [${size}]: ${slots.map(({ spec, start }) => `${spec.name.replace('model.', '')} @${start}`).join(', ')}`,
    )
    .join('\n');

test('below ZeRO 2 a stage has a bucket for each way to lie over tp', () => {
  expect(print('tp=2,dp=2')).toMatchInlineSnapshot(`
    "stage tp:V0 [544]: embed_tokens.weight @0, layers.0.self_attn.q_proj.weight @48, layers.0.self_attn.k_proj.weight @80, layers.0.self_attn.v_proj.weight @96, layers.0.self_attn.o_proj.weight @112, layers.0.mlp.gate_proj.weight @144, layers.0.mlp.up_proj.weight @192, layers.0.mlp.down_proj.weight @240, layers.1.self_attn.q_proj.weight @288, layers.1.self_attn.k_proj.weight @320, layers.1.self_attn.v_proj.weight @336, layers.1.self_attn.o_proj.weight @352, layers.1.mlp.gate_proj.weight @384, layers.1.mlp.up_proj.weight @432, layers.1.mlp.down_proj.weight @480
    stage tp:I [96]: layers.0.input_layernorm.weight @0, layers.0.post_attention_layernorm.weight @16, layers.1.input_layernorm.weight @32, layers.1.post_attention_layernorm.weight @48, norm.weight @64"
  `);
});

test('from ZeRO 2 on each part has its own; the parameter of both ends is apart', () => {
  expect(print('dp=2,zero=2')).toMatchInlineSnapshot(`
    "tied [96]: embed_tokens.weight @0
    block 0 [512]: layers.0.input_layernorm.weight @0, layers.0.self_attn.q_proj.weight @16, layers.0.self_attn.k_proj.weight @80, layers.0.self_attn.v_proj.weight @112, layers.0.self_attn.o_proj.weight @144, layers.0.post_attention_layernorm.weight @208, layers.0.mlp.gate_proj.weight @224, layers.0.mlp.up_proj.weight @320, layers.0.mlp.down_proj.weight @416
    block 1 [512]: layers.1.input_layernorm.weight @0, layers.1.self_attn.q_proj.weight @16, layers.1.self_attn.k_proj.weight @80, layers.1.self_attn.v_proj.weight @112, layers.1.self_attn.o_proj.weight @144, layers.1.post_attention_layernorm.weight @208, layers.1.mlp.gate_proj.weight @224, layers.1.mlp.up_proj.weight @320, layers.1.mlp.down_proj.weight @416
    head [32]: norm.weight @0"
  `);
  expect(print('pp=2,dp=3,zero=3', 1)).toMatchInlineSnapshot(`
    "block 1 [528]: layers.1.input_layernorm.weight @0, layers.1.self_attn.q_proj.weight @16, layers.1.self_attn.k_proj.weight @80, layers.1.self_attn.v_proj.weight @112, layers.1.self_attn.o_proj.weight @144, layers.1.post_attention_layernorm.weight @208, layers.1.mlp.gate_proj.weight @224, layers.1.mlp.up_proj.weight @320, layers.1.mlp.down_proj.weight @416
    head [48]: norm.weight @0
    both ends [96]: embed_tokens.weight @0"
  `);
});
