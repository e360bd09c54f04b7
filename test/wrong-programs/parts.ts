// Parts that may overlap where slices or whole values are needed.
import { gelu } from '../../src/ops/activation.ts';
import { allGather, allReduce, reduceScatter } from '../../src/ops/collectives.ts';
import { add, multiply } from '../../src/ops/elementwise.ts';
import { linear } from '../../src/ops/linear.ts';
import { tokenLoss, vocabMax } from '../../src/ops/loss.ts';
import { attend, part, rowParallel, type Wrong } from './program.ts';

export const wrongParts: readonly Wrong[] = [
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
];
