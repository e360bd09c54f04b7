// Values that are still to be summed, or the same everywhere, where others are needed.
import { gelu } from '../../src/ops/activation.ts';
import { allReduceMax } from '../../src/ops/collectives.ts';
import { add, multiply } from '../../src/ops/elementwise.ts';
import { splitHeads } from '../../src/ops/heads.ts';
import { linear } from '../../src/ops/linear.ts';
import { sumByDocument } from '../../src/ops/log-prob.ts';
import { tokenLoss, vocabMax, vocabStats } from '../../src/ops/loss.ts';
import { rmsNorm } from '../../src/ops/norm.ts';
import { preferenceLoss } from '../../src/ops/preference.ts';
import { attend, rowParallel, type Wrong } from './program.ts';

export const wrongSums: readonly Wrong[] = [
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
    name: 'vocabulary statistics with a maximum still partial',
    build: ({ x, ids }) => {
      const logits = x([2, 8, 5], 'V2');
      return vocabStats(logits, ids([2, 8], 'R'), vocabMax(logits, { valid: 5 }), { offset: 0, valid: 5 });
    },
    op: 'vocabStats',
    fix: /all-reduce operand 2 over tp by maximum \(Pmax -> R\)/,
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
    name: 'preference of completions whose tokens are on several ranks',
    build: ({ x, ids }) => {
      const sums = sumByDocument(x([2, 8], 'V1'), ids([2, 8], 'V1'), x([2, 8], 'V1'), { pairs: 3 });
      const whole = { reference: x([2, 3, 2], 'I'), weights: x([2, 3], 'I'), scale: x([1], 'I') };
      return preferenceLoss({ sums, ...whole }, { beta: 0.1 }).loss;
    },
    op: 'preferenceLoss',
    fix: /all-reduce operand 0 over tp \(P -> I\)/,
  },
];
