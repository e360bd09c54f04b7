// What one rank does in a block, as text: where it talks, and how values lie over tp.
import { expect, test } from 'vitest';
import { parseLayout } from '../mesh/layout.ts';
import { coordsOf } from '../mesh/mesh.ts';
import { print } from '../program/print.ts';
import { parseModelConfig } from './families.ts';
import { tracePart } from './parts.ts';

const config = parseModelConfig(
  {
    model_type: 'llama',
    vocab_size: 12,
    hidden_size: 8,
    num_hidden_layers: 1,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    intermediate_size: 12,
  },
  'llama',
);

function programsOf(text: string) {
  const layout = parseLayout(text);
  return tracePart('block', { config, layout, coords: coordsOf(layout, 0), batch: 1, seqLen: 6, lossScale: 1 });
}

test('a Llama block under tp=2 all-reduces twice', () => {
  expect(print(programsOf('tp=2').forward)).toMatchInlineSnapshot(`
    "in %0 [1, 6, 8] {tp:I}  x
    in %1 [8] {tp:I}  param:norm1.weight
    in %2 [4, 8] {tp:V0}  param:q.weight
    in %3 [2, 8] {tp:V0}  param:k.weight
    in %4 [2, 8] {tp:V0}  param:v.weight
    in %5 [8, 4] {tp:V1}  param:output.weight
    in %6 [8] {tp:I}  param:norm2.weight
    in %7 [6, 8] {tp:V0}  param:gate.weight
    in %8 [6, 8] {tp:V0}  param:up.weight
    in %9 [8, 6] {tp:V1}  param:down.weight
      %10 [1, 6, 8] {tp:I}, %11 [1, 6, 1] {tp:I} = rmsNorm(%0, %1, epsilon=0.000001)  # attention
      %12 [1, 6, 8] {tp:R} = enter(%10, axis=tp)  # attention
      %13 [1, 6, 4] {tp:V2} = linear(%12, %2, order=out,in)  # attention
      %14 [1, 6, 2, 2] {tp:V2} = splitHeads(%13, headDim=2)  # attention
      %15 [1, 6, 2, 2] {tp:V2} = rope(%14)  # attention
      %16 [1, 6, 2] {tp:V2} = linear(%12, %3, order=out,in)  # attention
      %17 [1, 6, 1, 2] {tp:V2} = splitHeads(%16, headDim=2)  # attention
      %18 [1, 6, 1, 2] {tp:V2} = rope(%17)  # attention
      %19 [1, 6, 2] {tp:V2} = linear(%12, %4, order=out,in)  # attention
      %20 [1, 6, 1, 2] {tp:V2} = splitHeads(%19, headDim=2)  # attention
      %21 [1, 6, 2, 2] {tp:V2}, %22 [1, 2, 6, 1] {tp:V1} = attention(%15, %18, %20, scale=0.7071067811865475)  # attention
      %23 [1, 6, 4] {tp:V2} = mergeHeads(%21)  # attention
      %24 [1, 6, 8] {tp:P} = linear(%23, %5, order=out,in)  # attention
      %25 [1, 6, 8] {tp:I} = allReduce(%24, axis=tp, reduce=sum, to=I)  # attention
      %26 [1, 6, 8] {tp:I} = add(%0, %25)  # attention
      %27 [1, 6, 8] {tp:I}, %28 [1, 6, 1] {tp:I} = rmsNorm(%26, %6, epsilon=0.000001)  # mlp
      %29 [1, 6, 8] {tp:R} = enter(%27, axis=tp)  # mlp
      %30 [1, 6, 6] {tp:V2} = linear(%29, %7, order=out,in)  # mlp
      %31 [1, 6, 6] {tp:V2} = linear(%29, %8, order=out,in)  # mlp
      %32 [1, 6, 6] {tp:V2} = swiglu(%30, %31)  # mlp
      %33 [1, 6, 8] {tp:P} = linear(%32, %9, order=out,in)  # mlp
      %34 [1, 6, 8] {tp:I} = allReduce(%33, axis=tp, reduce=sum, to=I)  # mlp
      %35 [1, 6, 8] {tp:I} = add(%26, %34)  # mlp
    out %35  y
    out %32  saved:32
    out %30  saved:30
    out %31  saved:31
    out %29  saved:29
    out %26  saved:26
    out %28  saved:28
    out %23  saved:23
    out %15  saved:15
    out %18  saved:18
    out %20  saved:20
    out %21  saved:21
    out %22  saved:22
    out %12  saved:12
    out %0  saved:9
    out %11  saved:11"
  `);
});

test('with sp it gathers and scatters the sequence instead', () => {
  expect(print(programsOf('tp=2,sp').forward)).toMatchInlineSnapshot(`
    "in %0 [1, 3, 8] {tp:V1}  x
    in %1 [8] {tp:R}  param:norm1.weight
    in %2 [4, 8] {tp:V0}  param:q.weight
    in %3 [2, 8] {tp:V0}  param:k.weight
    in %4 [2, 8] {tp:V0}  param:v.weight
    in %5 [8, 4] {tp:V1}  param:output.weight
    in %6 [8] {tp:R}  param:norm2.weight
    in %7 [6, 8] {tp:V0}  param:gate.weight
    in %8 [6, 8] {tp:V0}  param:up.weight
    in %9 [8, 6] {tp:V1}  param:down.weight
      %10 [1, 3, 8] {tp:V1}, %11 [1, 3, 1] {tp:V1} = rmsNorm(%0, %1, epsilon=0.000001)  # attention
      %12 [1, 6, 8] {tp:R} = allGather(%10, axis=tp, dim=1, ranks=2, to=R)  # attention
      %13 [1, 6, 4] {tp:V2} = linear(%12, %2, order=out,in)  # attention
      %14 [1, 6, 2, 2] {tp:V2} = splitHeads(%13, headDim=2)  # attention
      %15 [1, 6, 2, 2] {tp:V2} = rope(%14)  # attention
      %16 [1, 6, 2] {tp:V2} = linear(%12, %3, order=out,in)  # attention
      %17 [1, 6, 1, 2] {tp:V2} = splitHeads(%16, headDim=2)  # attention
      %18 [1, 6, 1, 2] {tp:V2} = rope(%17)  # attention
      %19 [1, 6, 2] {tp:V2} = linear(%12, %4, order=out,in)  # attention
      %20 [1, 6, 1, 2] {tp:V2} = splitHeads(%19, headDim=2)  # attention
      %21 [1, 6, 2, 2] {tp:V2}, %22 [1, 2, 6, 1] {tp:V1} = attention(%15, %18, %20, scale=0.7071067811865475)  # attention
      %23 [1, 6, 4] {tp:V2} = mergeHeads(%21)  # attention
      %24 [1, 6, 8] {tp:P} = linear(%23, %5, order=out,in)  # attention
      %25 [1, 3, 8] {tp:V1} = reduceScatter(%24, axis=tp, dim=1, ranks=2)  # attention
      %26 [1, 3, 8] {tp:V1} = add(%0, %25)  # attention
      %27 [1, 3, 8] {tp:V1}, %28 [1, 3, 1] {tp:V1} = rmsNorm(%26, %6, epsilon=0.000001)  # mlp
      %29 [1, 6, 8] {tp:R} = allGather(%27, axis=tp, dim=1, ranks=2, to=R)  # mlp
      %30 [1, 6, 6] {tp:V2} = linear(%29, %7, order=out,in)  # mlp
      %31 [1, 6, 6] {tp:V2} = linear(%29, %8, order=out,in)  # mlp
      %32 [1, 6, 6] {tp:V2} = swiglu(%30, %31)  # mlp
      %33 [1, 6, 8] {tp:P} = linear(%32, %9, order=out,in)  # mlp
      %34 [1, 3, 8] {tp:V1} = reduceScatter(%33, axis=tp, dim=1, ranks=2)  # mlp
      %35 [1, 3, 8] {tp:V1} = add(%26, %34)  # mlp
    out %35  y
    out %32  saved:32
    out %30  saved:30
    out %31  saved:31
    out %29  saved:29
    out %26  saved:26
    out %28  saved:28
    out %23  saved:23
    out %15  saved:15
    out %18  saved:18
    out %20  saved:20
    out %21  saved:21
    out %22  saved:22
    out %12  saved:12
    out %0  saved:9
    out %11  saved:11"
  `);
});

test('backward talks as often as forward', () => {
  const talksIn = (nodes: ReturnType<typeof programsOf>['forward']['nodes']) =>
    nodes.map(({ op }) => op.name).filter((name) => /^(allReduce|allGather|reduceScatter)$/.test(name));
  expect(talksIn(programsOf('tp=2').backward.nodes)).toEqual(['allReduce', 'allReduce']);
  expect(talksIn(programsOf('tp=2,sp').backward.nodes).sort()).toEqual([
    'allGather',
    'allGather',
    'reduceScatter',
    'reduceScatter',
  ]);
});
