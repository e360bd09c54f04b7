// Dims cut on one operand and not, or otherwise, on another.
import { swiglu } from '../../src/ops/activation.ts';
import { ownSlice } from '../../src/ops/collectives.ts';
import { add } from '../../src/ops/elementwise.ts';
import { embedding } from '../../src/ops/embedding.ts';
import { splitHeads } from '../../src/ops/heads.ts';
import { linear } from '../../src/ops/linear.ts';
import { vocabMax, vocabStats } from '../../src/ops/loss.ts';
import { rmsNorm } from '../../src/ops/norm.ts';
import { rope } from '../../src/ops/rope.ts';
import { attend, three, type Wrong } from './program.ts';

export const wrongSlices: readonly Wrong[] = [
  {
    name: 'swiglu of a gate that is whole and an up that is sharded',
    build: ({ x }) => swiglu(x([2, 8, 4], 'R'), x([2, 8, 4], 'V2')),
    op: 'swiglu',
    fix: /keep this rank's slice of operand 0 on dim 2 over tp \(R -> V2\)/,
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
    name: 'a part of its own that begins inside of a head',
    build: ({ x }) =>
      splitHeads(linear(x([2, 8, 6], 'R'), ownSlice(x([16, 6], 'R'), 'tp', 0, { start: 4, size: 8 })), 8),
    op: 'splitHeads',
    fix: /cut whole heads: .* start at a multiple of 8/,
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
];
