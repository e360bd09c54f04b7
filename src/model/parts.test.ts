// What one rank does in a block, as text: where it talks, and how values lie over tp.
import { expect, test } from 'vitest';
import { changedLines } from '../../test/changed-lines.ts';
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
  return tracePart('block', { config, layout, coords: coordsOf(layout, 0), batch: 1, seqLen: 6 });
}

test('a Llama block under tp=2 all-reduces twice', () => {
  expect(print(programsOf('tp=2').forward)).toMatchInlineSnapshot(`
    "in %0 [1, 6, 8] {tp:I}  x
    in %1 [1, 6] int {tp:R}  positions
    in %2 [1, 6] int {tp:R}  documents
    in %3 [8] {tp:I}  param:norm1.weight
    in %4 [4, 8] {tp:V0}  param:q.weight
    in %5 [2, 8] {tp:V0}  param:k.weight
    in %6 [2, 8] {tp:V0}  param:v.weight
    in %7 [8, 4] {tp:V1}  param:output.weight
    in %8 [8] {tp:I}  param:norm2.weight
    in %9 [6, 8] {tp:V0}  param:gate.weight
    in %10 [6, 8] {tp:V0}  param:up.weight
    in %11 [8, 6] {tp:V1}  param:down.weight
      %12 [1, 6, 8] {tp:I}, %13 [1, 6, 1] {tp:I} = rmsNorm(%0, %3, epsilon=0.000001)  # attention
      %14 [1, 6, 8] {tp:R} = enter(%12, axes=tp)  # attention
      %15 [1, 6, 4] {tp:V2} = linear(%14, %4, order=out,in)  # attention
      %16 [1, 6, 2, 2] {tp:V2} = splitHeads(%15, headDim=2)  # attention
      %17 [1, 6, 2, 2] {tp:V2} = rope(%16, %1, maxPositions=6)  # attention
      %18 [1, 6, 2] {tp:V2} = linear(%14, %5, order=out,in)  # attention
      %19 [1, 6, 1, 2] {tp:V2} = splitHeads(%18, headDim=2)  # attention
      %20 [1, 6, 1, 2] {tp:V2} = rope(%19, %1, maxPositions=6)  # attention
      %21 [1, 6, 2] {tp:V2} = linear(%14, %6, order=out,in)  # attention
      %22 [1, 6, 1, 2] {tp:V2} = splitHeads(%21, headDim=2)  # attention
      %23 [1, 1, 6, 2, 2] {tp:V1} = headsFirst(%17, group=2)  # attention
      %24 [1, 1, 6, 1, 2] {tp:V1} = headsFirst(%20, group=1)  # attention
      %25 [1, 1, 6, 1, 2] {tp:V1} = headsFirst(%22, group=1)  # attention
      %26 [1, 1, 6, 2, 2] {tp:V1}, %27 [1, 1, 6, 2, 1] {tp:V1} = attention(%23, %24, %25, %1, %2, %1, %2, scale=0.7071067811865475)  # attention
      %28 [1, 1, 6, 2, 2] {tp:V1} = finishAttention(%26, %27)  # attention
      %29 [1, 6, 2, 2] {tp:V2} = headsLast(%28)  # attention
      %30 [1, 6, 4] {tp:V2} = mergeHeads(%29)  # attention
      %31 [1, 6, 8] {tp:P} = linear(%30, %7, order=out,in)  # attention
      %32 [1, 6, 8] {tp:I} = allReduce(%31, axes=tp, reduce=sum, to=I)  # attention
      %33 [1, 6, 8] {tp:I} = add(%0, %32)  # attention
      %34 [1, 6, 8] {tp:I}, %35 [1, 6, 1] {tp:I} = rmsNorm(%33, %8, epsilon=0.000001)  # mlp
      %36 [1, 6, 8] {tp:R} = enter(%34, axes=tp)  # mlp
      %37 [1, 6, 6] {tp:V2} = linear(%36, %9, order=out,in)  # mlp
      %38 [1, 6, 6] {tp:V2} = linear(%36, %10, order=out,in)  # mlp
      %39 [1, 6, 6] {tp:V2} = swiglu(%37, %38)  # mlp
      %40 [1, 6, 8] {tp:P} = linear(%39, %11, order=out,in)  # mlp
      %41 [1, 6, 8] {tp:I} = allReduce(%40, axes=tp, reduce=sum, to=I)  # mlp
      %42 [1, 6, 8] {tp:I} = add(%33, %41)  # mlp
    out %42  y
    out %0  saved:9
    out %1  saved:10
    out %2  saved:11
    out %13  saved:13
    out %14  saved:14
    out %23  saved:23
    out %24  saved:24
    out %25  saved:25
    out %27  saved:27
    out %28  saved:28
    out %30  saved:30
    out %33  saved:33
    out %35  saved:35
    out %36  saved:36
    out %37  saved:37
    out %38  saved:38
    out %39  saved:39"
  `);
});

test('with sp it gathers and scatters the sequence instead', () => {
  const [without, withSp] = ['tp=2', 'tp=2,sp'].map((text) => print(programsOf(text).forward)) as [string, string];
  expect(changedLines(without, withSp)).toMatchInlineSnapshot(`
    "in %0 [1, 3, 8] {tp:V1}  x
    in %3 [8] {tp:R}  param:norm1.weight
    in %8 [8] {tp:R}  param:norm2.weight
      %12 [1, 3, 8] {tp:V1}, %13 [1, 3, 1] {tp:V1} = rmsNorm(%0, %3, epsilon=0.000001)  # attention
      %14 [1, 6, 8] {tp:R} = allGather(%12, axes=tp, dim=1, ranks=2, to=R)  # attention
      %32 [1, 3, 8] {tp:V1} = reduceScatter(%31, axes=tp, dim=1, ranks=2)  # attention
      %33 [1, 3, 8] {tp:V1} = add(%0, %32)  # attention
      %34 [1, 3, 8] {tp:V1}, %35 [1, 3, 1] {tp:V1} = rmsNorm(%33, %8, epsilon=0.000001)  # mlp
      %36 [1, 6, 8] {tp:R} = allGather(%34, axes=tp, dim=1, ranks=2, to=R)  # mlp
      %41 [1, 3, 8] {tp:V1} = reduceScatter(%40, axes=tp, dim=1, ranks=2)  # mlp
      %42 [1, 3, 8] {tp:V1} = add(%33, %41)  # mlp"
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
