// Parameter specs: shards tile every parameter exactly, and names are the checkpoint's.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { anyCase, settingsOf } from '../../test/random-cases.ts';
import { oneRank, parseLayout } from '../mesh/layout.ts';
import { type Coords, coordsOf, type Mesh } from '../mesh/mesh.ts';
import { varyingDim } from '../program/types.ts';
import { parseModelConfig } from './families.ts';
import { type ParamSpec, paramSpecs, shardOrigin, shardShape } from './params.ts';
import { stageParts } from './stages.ts';

const count = (sizes: readonly number[]) => sizes.reduce((product, size) => product * size, 1);

/** A rank's shard, without the rows that pad a vocabulary. */
function rangesOf(spec: ParamSpec, mesh: Mesh, coords: Coords): [start: number, end: number][] {
  const size = shardShape(spec, mesh);
  return shardOrigin(spec, mesh, coords).map((start, dim) => {
    const most = spec.shape[dim]!;
    return [Math.min(most, start), Math.min(most, start + size[dim]!)];
  });
}

test('shards tile every parameter: each element on one rank of tp and of ep, or on all', () => {
  fc.assert(
    fc.property(anyCase, (each) => {
      const { config, layout } = settingsOf(each, 'f64');
      const stages = Array.from({ length: layout.pp }, (_, stage) => stage);
      const specs = stages.flatMap((stage) =>
        stageParts(config, layout, stage).flatMap((part) => paramSpecs(config, layout, part)),
      );
      for (const spec of specs) for (const axis of ['tp', 'ep'] as const) expectTiles(spec, axis);

      function expectTiles(spec: ParamSpec, axis: 'tp' | 'ep'): void {
        const cut = varyingDim(spec.types[axis]!);
        const other = axis === 'tp' ? 'ep' : 'tp';
        const cutByOther = layout[other] > 1 ? varyingDim(spec.types[other]!) : undefined;
        let end = 0;
        for (let place = 0; place < layout[axis]; place++) {
          const ranges = rangesOf(spec, layout, { ...coordsOf(oneRank, 0), [axis]: place });
          const held = ranges.map(([first, last]) => last - first);
          expect(count(held)).toBeLessThanOrEqual(count(shardShape(spec, layout)));
          ranges.forEach(([first, last], dim) => {
            if (dim !== cut && dim !== cutByOther) expect([first, last]).toEqual([0, spec.shape[dim]]);
          });
          if (cut === undefined) continue;
          expect(ranges[cut]![0]).toBe(end);
          end = ranges[cut]![1];
        }
        if (cut !== undefined) expect(end).toBe(spec.shape[cut]);
      }
    }),
  );
});

test('a vocabulary that tp does not divide is padded, and may leave a rank without a row', () => {
  const config = parseModelConfig(
    {
      model_type: 'llama',
      vocab_size: 5,
      hidden_size: 16,
      num_hidden_layers: 1,
      num_attention_heads: 4,
      intermediate_size: 16,
    },
    'llama',
  );
  const layout = parseLayout('tp=4');
  const [table] = paramSpecs(config, layout, { name: 'embedding', layer: 0 });
  const rows = [0, 1, 2, 3].map((rank) => rangesOf(table!, layout, coordsOf(layout, rank))[0]);
  expect(shardShape(table!, layout)).toEqual([2, 16]);
  expect(rows).toEqual([
    [0, 2],
    [2, 4],
    [4, 5],
    [5, 5],
  ]);
});

test('names, tensors and cuts of a GPT-2 block under tp=2', () => {
  const config = parseModelConfig({ model_type: 'gpt2', vocab_size: 9, n_embd: 8, n_layer: 2, n_head: 2 }, 'gpt2');
  const layout = parseLayout('tp=2,sp');
  const specs = paramSpecs(config, layout, { name: 'block', layer: 1 });
  const lines = specs.map(
    ({ key, name, tensor, piece, types }) =>
      `${key} = ${name} ${types.tp}, in ${tensor.name} [${tensor.shape}]${piece ? ` from ${piece.start} of dim ${piece.dim}` : ''}`,
  );
  expect(lines.join('\n')).toMatchInlineSnapshot(`
    "norm1.weight = transformer.h.1.ln_1.weight R, in transformer.h.1.ln_1.weight [8]
    norm1.bias = transformer.h.1.ln_1.bias R, in transformer.h.1.ln_1.bias [8]
    q.weight = transformer.h.1.attn.c_attn.weight#q V1, in transformer.h.1.attn.c_attn.weight [8,24] from 0 of dim 1
    q.bias = transformer.h.1.attn.c_attn.bias#q V0, in transformer.h.1.attn.c_attn.bias [24] from 0 of dim 0
    k.weight = transformer.h.1.attn.c_attn.weight#k V1, in transformer.h.1.attn.c_attn.weight [8,24] from 8 of dim 1
    k.bias = transformer.h.1.attn.c_attn.bias#k V0, in transformer.h.1.attn.c_attn.bias [24] from 8 of dim 0
    v.weight = transformer.h.1.attn.c_attn.weight#v V1, in transformer.h.1.attn.c_attn.weight [8,24] from 16 of dim 1
    v.bias = transformer.h.1.attn.c_attn.bias#v V0, in transformer.h.1.attn.c_attn.bias [24] from 16 of dim 0
    output.weight = transformer.h.1.attn.c_proj.weight V0, in transformer.h.1.attn.c_proj.weight [8,8]
    output.bias = transformer.h.1.attn.c_proj.bias R, in transformer.h.1.attn.c_proj.bias [8]
    norm2.weight = transformer.h.1.ln_2.weight R, in transformer.h.1.ln_2.weight [8]
    norm2.bias = transformer.h.1.ln_2.bias R, in transformer.h.1.ln_2.bias [8]
    up.weight = transformer.h.1.mlp.c_fc.weight V1, in transformer.h.1.mlp.c_fc.weight [8,32]
    up.bias = transformer.h.1.mlp.c_fc.bias V0, in transformer.h.1.mlp.c_fc.bias [32]
    down.weight = transformer.h.1.mlp.c_proj.weight V0, in transformer.h.1.mlp.c_proj.weight [32,8]
    down.bias = transformer.h.1.mlp.c_proj.bias R, in transformer.h.1.mlp.c_proj.bias [8]"
  `);
});
