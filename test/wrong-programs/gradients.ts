// Gradients and their finishing: seeds, sums, norms and the optimizer.
import { gelu } from '../../src/ops/activation.ts';
import { reduceScatter } from '../../src/ops/collectives.ts';
import { accumulate } from '../../src/ops/elementwise.ts';
import { adamw, sumSquares, total } from '../../src/ops/finishing.ts';
import { grad } from '../../src/ops/grad.ts';
import type { Op, Value } from '../../src/program/program.ts';
import { apply, at } from '../../src/program/trace.ts';
import type { Make, Wrong } from './program.ts';

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

export const wrongGradients: readonly Wrong[] = [
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
];
