// Collectives on values of a type that they do not take.
import { allGather, allReduce, allReduceMax, enter, ownSlice, reduceScatter } from '../../src/ops/collectives.ts';
import { vocabMax } from '../../src/ops/loss.ts';
import { rowParallel, type Wrong } from './program.ts';

export const wrongCollectives: readonly Wrong[] = [
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
    name: 'even shares of a dim that does not divide',
    build: ({ x }) => ownSlice(x([2, 7, 6], 'R'), 'tp', 1),
    code: 'SHAPE_MISMATCH',
    op: 'ownSlice',
    fix: /make it a multiple of 2/,
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
