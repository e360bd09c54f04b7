// Programs with a mistake in what they say to other ranks: how each is written, and what its refusal must name.
import type { ErrorCode } from '../src/errors.ts';
import { gelu, swiglu } from '../src/ops/activation.ts';
import { attention } from '../src/ops/attention.ts';
import { allGather, allReduce, allReduceMax, enter, ownSlice, reduceScatter } from '../src/ops/collectives.ts';
import { accumulate, add, multiply } from '../src/ops/elementwise.ts';
import { embedding } from '../src/ops/embedding.ts';
import { adamw, sumSquares, total } from '../src/ops/finishing.ts';
import { grad } from '../src/ops/grad.ts';
import { splitHeads } from '../src/ops/heads.ts';
import { linear } from '../src/ops/linear.ts';
import { tokenLoss, vocabMax, vocabStats } from '../src/ops/loss.ts';
import { rmsNorm } from '../src/ops/norm.ts';
import { rope } from '../src/ops/rope.ts';
import type { Op, Shape, Value } from '../src/program/program.ts';
import { apply, at } from '../src/program/trace.ts';
import type { AxisType, Types } from '../src/program/types.ts';

/** Makes inputs on rank 3 of 2 × 2: float ones of a type on tp (or on several axes), and token ids. */
export interface Make {
  x(shape: Shape, types: AxisType | Types): Value;
  ids(shape: Shape, types: AxisType | Types): Value;
  doubles(shape: Shape): Value;
}

export interface Wrong {
  readonly name: string;
  readonly build: (make: Make) => unknown;
  readonly code?: ErrorCode;
  readonly axis?: string;
  readonly op: string;
  readonly fix: RegExp;
}

/** A row-parallel linear layer's result: features [b, s, 6], partial over tp. */
const rowParallel = ({ x }: Make, shape: Shape = [2, 8, 4]): Value => linear(x(shape, 'V2'), x([6, 4], 'V1'));

/** This rank's five of eight or six elements: some that the others have too. */
const part = (x: Value, dim: number): Value =>
  ownSlice(x, 'tp', dim, { start: x.trace.coords.tp * (x.shape[dim]! - 5), size: 5 });
const three = (make: () => Value): [Value, Value, Value] => [make(), make(), make()];

/** Over one sequence, whose tokens' places are spread like it. */
function attend({ ids }: Make, q: Value, k: Value, v: Value, types: AxisType = 'R'): Value {
  const place = () => ids(q.shape.slice(0, 2), types);
  const places = { positions: place(), documents: place() };
  return attention(q, k, v, { queries: places, keys: places }, { scale: 0.5 });
}

/** A step of AdamW whose moments lie as the parameters do. */
const update = (param: Value, gradient: Value, doubles: Make['doubles']) =>
  adamw({ param, gradient, first: param, second: param }, doubles([1]), doubles([8]), { decayed: [] });

/** A linear layer whose gradient forgets that the weight's part must be summed. */
const badOp: Op = {
  name: 'identityWithBadGradient',
  shape: ([x]) => [x!],
  typing: { dims: 'b s k -> b s k', linear: 'all' },
  vjp: ({ node }) => [node.inputs[0]],
  execution: { by: 'nobody' },
};

export const wrongPrograms: readonly Wrong[] = [
  {
    name: 'no all-reduce between a row-parallel layer and the residual',
    build: (make) => add(make.x([2, 8, 6], 'I'), rowParallel(make)),
    op: 'add',
    fix: /all-reduce operand 1 over tp \(P -> I\)/,
  },
  {
    name: 'no reduce-scatter between a row-parallel layer and the residual under sp',
    build: (make) => add(make.x([2, 8, 6], 'V1'), rowParallel(make)),
    op: 'add',
    fix: /reduce-scatter operand 1 on dim 1 over tp \(P -> V1\)/,
  },
  {
    name: 'bias added before the all-reduce',
    build: (make) => add(rowParallel(make), make.x([6], 'R')),
    op: 'add',
    fix: /all-reduce operand 0 over tp \(P -> R\).*counted once a rank/,
  },
  {
    name: 'invariant bias added before the all-reduce',
    build: (make) => add(rowParallel(make), make.x([6], 'I')),
    op: 'add',
    fix: /all-reduce operand 0 over tp \(P -> I\)/,
  },
  {
    name: 'product of two partial values',
    build: (make) => multiply(rowParallel(make), rowParallel(make)),
    op: 'multiply',
    fix: /all-reduce operand 0 over tp \(P -> R\)/,
  },
  {
    name: 'product of a partial value and a varying one',
    build: (make) => multiply(rowParallel(make), make.x([2, 8, 6], 'V1')),
    op: 'multiply',
    fix: /all-reduce operand 0 over tp \(P -> R\)/,
  },
  {
    name: 'gelu of a partial value',
    build: (make) => gelu(rowParallel(make)),
    op: 'gelu',
    fix: /all-reduce operand 0 over tp \(P -> I\), or reduce-scatter/,
  },
  {
    name: 'norm of a partial value',
    build: (make) => rmsNorm(rowParallel(make), make.x([6], 'R'), 1e-6),
    op: 'rmsNorm',
    fix: /all-reduce operand 0 over tp/,
  },
  {
    name: 'attention on partial queries',
    build: (make) => {
      const q = splitHeads(rowParallel(make), 3);
      return attend(make, q, q, make.x([2, 8, 2, 3], 'R'));
    },
    op: 'attention',
    fix: /all-reduce operand 0 over tp/,
  },
  {
    name: 'swiglu of a gate that is whole and an up that is sharded',
    build: ({ x }) => swiglu(x([2, 8, 4], 'R'), x([2, 8, 4], 'V2')),
    op: 'swiglu',
    fix: /keep this rank's slice of operand 0 on dim 2 over tp \(R -> V2\)/,
  },
  {
    name: 'invariant input of a column-parallel layer that did not enter',
    build: ({ x }) => linear(x([2, 8, 6], 'I'), x([4, 6], 'V0')),
    op: 'linear',
    fix: /enter operand 0 over tp \(I -> R\) first/,
  },
  {
    name: 'invariant residual and a sequence-sharded one',
    build: ({ x }) => add(x([2, 8, 6], 'I'), x([2, 8, 6], 'V1')),
    op: 'add',
    fix: /all-gather operand 1 on dim 1 over tp \(V1 -> I\)/,
  },
  {
    name: 'replicated gain on an invariant residual',
    build: ({ x }) => rmsNorm(x([2, 8, 6], 'I'), x([6], 'R'), 1e-6),
    op: 'rmsNorm',
    fix: /enter operand 0 over tp \(I -> R\) first, or make operand 1 invariant/,
  },
  {
    name: 'all-gather on a dim that is not the sharded one',
    build: ({ x }) => allGather(x([2, 8, 6], 'V1'), 'tp', 2),
    op: 'allGather',
    fix: /gather dim 1/,
  },
  {
    name: 'all-gather of what is whole',
    build: ({ x }) => allGather(x([2, 8, 6], 'R'), 'tp', 1),
    op: 'allGather',
    fix: /drop this all-gather/,
  },
  {
    name: 'all-gather of a partial value',
    build: (make) => allGather(rowParallel(make), 'tp', 1),
    op: 'allGather',
    fix: /all-reduce it over tp \(P -> R\) instead/,
  },
  {
    name: 'reduce-scatter of a sharded value',
    build: ({ x }) => reduceScatter(x([2, 8, 6], 'V1'), 'tp', 1),
    op: 'reduceScatter',
    fix: /sharded on dim 1 already: drop this reduce-scatter/,
  },
  {
    name: 'reduce-scatter of what is whole',
    build: ({ x }) => reduceScatter(x([2, 8, 6], 'I'), 'tp', 1),
    op: 'reduceScatter',
    fix: /ownSlice/,
  },
  {
    name: 'reduce-scatter of a sequence that does not divide',
    build: (make) => reduceScatter(rowParallel(make, [2, 7, 4]), 'tp', 1),
    code: 'SHAPE_MISMATCH',
    op: 'reduceScatter',
    fix: /make it a multiple of 2/,
  },
  {
    name: 'all-reduce of a replicated value',
    build: ({ x }) => allReduce(x([2, 8, 6], 'R'), 'tp', 'I'),
    op: 'allReduce',
    fix: /drop this all-reduce/,
  },
  {
    name: 'all-reduce of a sharded value',
    build: ({ x }) => allReduce(x([2, 8, 6], 'V1'), 'tp', 'I'),
    op: 'allReduce',
    fix: /all-gather it on dim 1 over tp \(V1 -> R\) instead/,
  },
  {
    name: 'all-reduce twice',
    build: (make) => allReduce(allReduce(rowParallel(make), 'tp', 'I'), 'tp', 'I'),
    op: 'allReduce',
    fix: /summed already: drop this all-reduce/,
  },
  {
    name: 'entering twice',
    build: ({ x }) => enter(enter(x([2, 8, 6], 'I'), 'tp'), 'tp'),
    op: 'enter',
    fix: /drop this enter/,
  },
  {
    name: 'vocabulary statistics with a maximum still partial',
    build: ({ x, ids }) => {
      const logits = x([2, 8, 5], 'V2');
      return vocabStats(logits, ids([2, 8], 'R'), vocabMax(logits, { valid: 5 }), { offset: 0, valid: 5 });
    },
    op: 'vocabStats',
    fix: /all-reduce operand 2 over tp by maximum \(Pmax -> R\)/,
  },
  {
    name: 'partial maximum all-reduced as a sum',
    build: ({ x }) => allReduce(vocabMax(x([2, 8, 5], 'V2'), { valid: 5 }), 'tp', 'R'),
    op: 'allReduce',
    fix: /by maximum \(Pmax -> R\)/,
  },
  {
    name: 'sum all-reduced as a maximum',
    build: (make) => allReduceMax(rowParallel(make), 'tp'),
    op: 'allReduce',
    fix: /partial sum: all-reduce it over tp by sum/,
  },
  {
    name: 'loss of statistics still partial',
    build: ({ x, ids }) => {
      const logits = x([2, 8, 5], 'V2');
      const most = allReduceMax(vocabMax(logits, { valid: 5 }), 'tp');
      const stats = vocabStats(logits, ids([2, 8], 'R'), most, { offset: 0, valid: 5 });
      return tokenLoss(stats, x([2, 8], 'I'), x([1], 'I'));
    },
    op: 'tokenLoss',
    fix: /all-reduce operand 0 over tp \(P -> I\)/,
  },
  {
    name: 'sharded features against a whole weight',
    build: ({ x }) => linear(x([2, 8, 6], 'V2'), x([4, 6], 'R')),
    op: 'linear',
    fix: /keep this rank's slice of operand 1 on dim 1 over tp \(R -> V1\), or all-gather operand 0 on dim 2/,
  },
  {
    name: 'whole features against a weight sharded on its inputs',
    build: ({ x }) => linear(x([2, 8, 6], 'R'), x([4, 6], 'V1')),
    op: 'linear',
    fix: /keep this rank's slice of operand 0 on dim 2 over tp \(R -> V2\)/,
  },
  {
    name: 'two dims sharded over one axis',
    build: ({ x }) => linear(x([2, 8, 6], 'V0'), x([4, 6], 'V0')),
    op: 'linear',
    fix: /all-gather operand 0 on dim 0 .* or all-gather operand 1 on dim 0/,
  },
  {
    name: 'no all-gather before a column-parallel layer under sp',
    build: ({ x }) => linear(x([2, 4, 6], 'V1'), x([4, 6], 'V0')),
    op: 'linear',
    fix: /all-gather operand 0 on dim 1 over tp \(V1 -> R\)/,
  },
  {
    name: 'attention over a sequence that is sharded',
    build: (make) => attend(make, ...three(() => make.x([2, 4, 2, 4], 'V1')), 'V1'),
    op: 'attention',
    fix: /all-gather operand 1 on dim 2 over tp/,
  },
  {
    name: 'attention with query heads sharded and key-value heads whole',
    build: (make) => attend(make, make.x([2, 4, 1, 4], 'V2'), make.x([2, 4, 1, 4], 'R'), make.x([2, 4, 1, 4], 'R')),
    op: 'attention',
    fix: /slice of operand 1 on dim 1 over tp \(R -> V1, or the part that goes with it: O1\)/,
  },
  {
    name: 'the positions of this rank turn a sequence that is whole',
    build: ({ x, ids }) => rope(x([2, 4, 2, 4], 'R'), ids([2, 4], 'V1'), { frequencies: [1, 0.1], maxPositions: 8 }),
    op: 'rope',
    fix: /all-gather operand 1 on dim 1 over tp/,
  },
  {
    name: 'norm over features that are sharded',
    build: ({ x }) => rmsNorm(x([2, 8, 3], 'V2'), x([3], 'V0'), 1e-6),
    op: 'rmsNorm',
    fix: /all-gather operand 0 on dim 2 over tp/,
  },
  {
    name: 'a shard that is half a head',
    build: ({ x }) => splitHeads(linear(x([2, 8, 6], 'R'), x([4, 6], 'V0')), 8),
    code: 'SHAPE_MISMATCH',
    op: 'splitHeads',
    fix: /must be a multiple of 8/,
  },
  {
    name: 'heads cut inside',
    build: (make) => attend(make, ...three(() => make.x([2, 8, 2, 2], 'V3'))),
    op: 'attention',
    fix: /all-gather operand 0 on dim 4 over tp/,
  },
  {
    name: 'batch sharded in one operand only',
    build: ({ x }) => add(x([2, 8, 6], { tp: 'R', dp: 'V0' }), x([2, 8, 6], { tp: 'R', dp: 'R' })),
    axis: 'dp',
    op: 'add',
    fix: /slice of operand 1 on dim 0 over dp \(R -> V0\)/,
  },
  {
    name: 'logits of this rank with the targets of all',
    build: ({ x, ids }) => {
      const logits = x([2, 8, 5], { dp: 'V0' });
      const most = vocabMax(logits, { valid: 5 });
      return vocabStats(logits, ids([2, 8], 'R'), most, { offset: 0, valid: 5 });
    },
    axis: 'dp',
    op: 'vocabStats',
    fix: /slice of operand 1 on dim 0 over dp \(R -> V0\)/,
  },
  {
    name: 'embedding table of other features than the residual',
    build: ({ x, ids }) => add(x([2, 8, 3], 'V1'), embedding(ids([2, 8], 'R'), x([10, 3], 'V1'))),
    op: 'add',
    fix: /all-gather operand 0 on dim 1 .* or all-gather operand 1 on dim 2/,
  },
  {
    name: 'positions of the whole sequence added to a part of it',
    build: ({ x, ids }) => add(x([2, 4, 6], 'V1'), embedding(ids([2, 8], 'R'), x([16, 6], 'R'))),
    code: 'SHAPE_MISMATCH',
    op: 'add',
    fix: /\[2,8,6\].*\[2,4,6\]/,
  },
  {
    name: 'positions of the first ranks added on every rank',
    build: ({ x, ids }) => add(x([2, 4, 6], 'V1'), embedding(ids([2, 4], 'R'), x([16, 6], 'R'))),
    op: 'add',
    fix: /slice of operand 1 on dim 1 over tp \(R -> V1\)/,
  },
  {
    name: 'own slice of what is sharded',
    build: ({ x }) => ownSlice(x([2, 8, 6], 'V1'), 'tp', 1),
    op: 'ownSlice',
    fix: /drop this slice/,
  },
  {
    name: 'own slice of a partial value',
    build: (make) => ownSlice(rowParallel(make), 'tp', 1),
    op: 'ownSlice',
    fix: /reduce-scatter it over tp instead/,
  },
  {
    name: 'all-gather of parts that may overlap',
    build: ({ x }) => allGather(part(x([2, 8, 6], 'R'), 1), 'tp', 1),
    op: 'allGather',
    fix: /use what ownSlice cut them from, or cut it in even shares over tp/,
  },
  {
    name: 'all-reduce of parts that may overlap',
    build: ({ x }) => allReduce(part(x([2, 8, 6], 'R'), 1), 'tp', 'R'),
    op: 'allReduce',
    fix: /use what ownSlice cut them from/,
  },
  {
    name: 'reduce-scatter of a gradient of parts that may overlap',
    build: ({ x }) => reduceScatter(x([2, 5, 6], 'PO1'), 'tp', 1),
    op: 'reduceScatter',
    fix: /back through their ownSlice \(PO1 -> P\) first/,
  },
  {
    name: 'a part of a part',
    build: ({ x }) => part(part(x([2, 8, 6], 'R'), 1), 1),
    op: 'ownSlice',
    fix: /use what ownSlice cut them from/,
  },
  {
    name: 'features that overlap summed by a row-parallel layer',
    build: ({ x }) => linear(part(x([2, 8, 6], 'R'), 2), part(x([4, 6], 'R'), 1)),
    op: 'linear',
    fix: /take operand 0 whole, before ownSlice keeps parts of it on dim 2 over tp, or cut it in even shares/,
  },
  {
    name: 'the loss of sequences that overlap',
    build: ({ x }) => tokenLoss(part(x([2, 8, 6], 'R'), 2), part(x([8, 6], 'R'), 1), x([1], 'R')),
    op: 'tokenLoss',
    fix: /take operand 0 whole, before ownSlice keeps parts of it on dim 2 over tp/,
  },
  {
    name: 'a maximum over a vocabulary in parts that may leave gaps',
    build: ({ x }) => vocabMax(part(x([2, 8, 6], 'R'), 2), { valid: 5 }),
    op: 'vocabMax',
    fix: /take operand 0 whole/,
  },
  {
    name: 'slices added to parts that may overlap',
    build: ({ x }) => add(x([2, 5, 6], 'V1'), part(x([2, 8, 6], 'R'), 1)),
    op: 'add',
    fix: /same parts of both over tp \(ownSlice\), or even shares of both/,
  },
  {
    name: 'a part added to the whole',
    build: ({ x }) => add(part(x([2, 8, 6], 'R'), 1), x([2, 5, 6], 'R')),
    op: 'add',
    fix: /keep the same part of operand 1 on dim 1 over tp \(R -> O1\)/,
  },
  {
    name: 'a part of an invariant residual',
    build: ({ x }) => add(part(x([2, 8, 6], 'R'), 1), x([2, 5, 6], 'I')),
    op: 'add',
    fix: /enter operand 1 over tp \(I -> R\) and keep the same part of its dim 1/,
  },
  {
    name: 'a part added to a partial value',
    build: (make) => add(rowParallel(make, [2, 5, 4]), part(make.x([2, 8, 6], 'R'), 1)),
    op: 'add',
    fix: /all-reduce operand 0 over tp \(P -> R\) and keep the same part of its dim 1 \(R -> O1\)/,
  },
  {
    name: 'query heads in parts that may overlap, key-value heads in slices',
    build: (make) =>
      attend(make, part(make.x([2, 8, 8, 4], 'R'), 2), make.x([2, 8, 5, 4], 'V2'), make.x([2, 8, 5, 4], 'V2')),
    op: 'attention',
    fix: /same parts of both/,
  },
  {
    name: 'keys in parts, values in slices',
    build: (make) =>
      attend(make, make.x([2, 8, 5, 4], 'V2'), part(make.x([2, 8, 8, 4], 'R'), 2), make.x([2, 8, 5, 4], 'V2')),
    op: 'attention',
    fix: /same parts of both/,
  },
  {
    name: 'gelu of terms of parts',
    build: ({ x }) => gelu(x([2, 8, 5], 'PO2')),
    op: 'gelu',
    fix: /add up the parts of operand 0 over tp \(PO2 -> P, then all-reduce\)/,
  },
  {
    name: 'a bias added to terms of parts',
    build: ({ x }) => add(x([2, 8, 5], 'PO1'), x([5], 'R')),
    op: 'add',
    fix: /add up the parts of operand 0 over tp \(PO1 -> P, then all-reduce\)/,
  },
  {
    name: 'a product of terms of parts with slices',
    build: ({ x }) => multiply(x([2, 8, 5], 'PO2'), x([2, 8, 5], 'V2')),
    op: 'multiply',
    fix: /same parts of both/,
  },
  {
    name: 'even shares of a dim that does not divide',
    build: ({ x }) => ownSlice(x([2, 7, 6], 'R'), 'tp', 1),
    code: 'SHAPE_MISMATCH',
    op: 'ownSlice',
    fix: /make it a multiple of 2/,
  },
  {
    name: 'a vjp that returns a gradient of the wrong type',
    build: ({ x }) => {
      const value = x([2, 8, 6], 'R');
      const [y] = at(value.trace, 'adapter', () => apply(badOp, [value], {}));
      return grad(value.trace, [{ value: y!, gradient: x([2, 8, 6], { tp: 'P', dp: 'P' }) }], [value]);
    },
    op: 'identityWithBadGradient',
    fix: /pair each collective/,
  },
  {
    name: 'a seed that is not the dual of its value',
    build: ({ x }) => {
      const y = gelu(x([2, 8, 6], 'R'));
      return grad(y.trace, [{ value: y, gradient: x([2, 8, 6], { tp: 'R', dp: 'P' }) }], []);
    },
    op: 'grad',
    fix: /start from a gradient of the dual type/,
  },
  {
    name: 'a finished sum of gradients with an unfinished one',
    build: ({ x }) => accumulate(x([6, 4], 'R'), x([6, 4], 'P')),
    op: 'accumulate',
    fix: /all-reduce operand 1 over tp \(P -> R\)/,
  },
  {
    name: 'AdamW on a gradient that is still to be summed',
    build: ({ x, doubles }) => update(x([8], 'I'), x([8], 'P'), doubles),
    op: 'adamw',
    fix: /all-reduce operand 1 over tp \(P -> I\)/,
  },
  {
    name: 'AdamW of all parameters with a share of the gradient',
    build: ({ x, doubles }) => {
      const gradient = x([8], { tp: 'I', dp: 'P' });
      return update(x([4], { tp: 'I', dp: 'I' }), reduceScatter(gradient, 'dp', 0), doubles);
    },
    axis: 'dp',
    op: 'adamw',
    fix: /operand 0|operand 1/,
  },
  {
    name: 'a norm that counts once a rank what all hold',
    build: ({ x }) => total([sumSquares(x([8], 'V0')), sumSquares(x([8], 'I'))]),
    op: 'total',
    fix: /all-reduce operand 0 over tp \(P -> I\)/,
  },
  {
    name: 'a norm of what is replicated with one of shares',
    build: ({ x }) => total([sumSquares(x([8], 'V0')), sumSquares(x([8], 'R'))]),
    op: 'total',
    fix: /all-reduce operand 0 over tp \(P -> R\) first: before it, operand 1 would be counted once a rank/,
  },
  {
    name: 'an all-reduce over two axes of what is partial on one',
    build: ({ x }) => allReduce(x([8], { tp: 'I', dp: 'P' }), ['tp', 'dp'], 'I'),
    op: 'allReduce',
    fix: /drop this all-reduce/,
  },
  {
    name: 'a gather over two axes of what is shared out over one',
    build: ({ x }) => allGather(x([8], { tp: 'R', dp: 'V0' }), ['tp', 'dp'], 0),
    op: 'allGather',
    fix: /drop this/,
  },
  {
    name: 'a reduce-scatter into shares that do not divide',
    build: ({ x }) => reduceScatter(x([6], { tp: 'P', dp: 'P' }), ['tp', 'dp'], 0),
    code: 'SHAPE_MISMATCH',
    op: 'reduceScatter',
    fix: /make it a multiple of 4/,
  },
];
