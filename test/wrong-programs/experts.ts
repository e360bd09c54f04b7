// Mixtures of experts whose router or weights are cut where they must be whole, or whose sum over tp is forgotten.
import { add } from '../../src/ops/elementwise.ts';
import { groupedLinear } from '../../src/ops/grouped-linear.ts';
import { type Routing, routes } from '../../src/ops/route.ts';
import { scaleRows } from '../../src/ops/rows.ts';
import type { Wrong } from './program.ts';

const routing: Routing = { perToken: 2, scores: 'softmax', normalised: true };

export const wrongExperts: readonly Wrong[] = [
  {
    name: 'the best experts of some of them',
    build: ({ x }) => routes(x([2, 8, 4], 'V2'), routing),
    op: 'route',
    fix: /all-gather operand 0 on dim 2 over tp \(V2 -> R\) first/,
  },
  {
    name: 'more experts a token than there are',
    build: ({ x }) => routes(x([2, 8, 4], 'R'), { ...routing, perToken: 5 }),
    code: 'SHAPE_MISMATCH',
    op: 'route',
    fix: /use 1 to 4/,
  },
  {
    name: 'tokens multiplied by the experts of this rank alone',
    build: ({ x, ids }) => groupedLinear(x([2, 8, 6], 'R'), ids([2, 8, 2], 'R'), x([4, 10, 6], 'V0'), 'slots'),
    op: 'groupedLinear',
    fix: /all-gather operand 2 on dim 0 over tp \(V0 -> R\) first/,
  },
  {
    name: 'shares of experts added to the residual before they are summed',
    build: ({ x, ids }) => {
      const features = scaleRows(x([2, 8, 2, 10], 'V3'), x([2, 8, 2, 1], 'R'));
      return add(x([2, 8, 6], 'I'), groupedLinear(features, ids([2, 8, 2], 'R'), x([4, 6, 10], 'V2'), 'tokens'));
    },
    op: 'add',
    fix: /all-reduce operand 1 over tp \(P -> I\)/,
  },
];
