// Tracing: types on axes of one rank vanish, sites nest, shapes that do not fit are refused; programs as text.
import { expect, test } from 'vitest';
import { runProgram } from '../../test/run-graph.ts';
import type { FivefoldError } from '../errors.ts';
import { enter } from '../ops/collectives.ts';
import { add, scale } from '../ops/elementwise.ts';
import { embedding } from '../ops/embedding.ts';
import { grad } from '../ops/grad.ts';
import { linear } from '../ops/linear.ts';
import { rope } from '../ops/rope.ts';
import { print } from './print.ts';
import type { Op } from './program.ts';
import { apply, at, finish, input, startTrace } from './trace.ts';

const origin = { tp: 0, cp: 0, ep: 0, dp: 0, pp: 0 };
const mesh = { tp: 2, cp: 1, ep: 1, dp: 1, pp: 4 };

test('values are typed on the axes that have several ranks, replicated where nothing is said', () => {
  const trace = startTrace({ ...mesh, dp: 3 }, origin);
  expect(input(trace, [2], { tp: 'I', cp: 'V0' }).types).toEqual({ tp: 'I', dp: 'R' });
  expect(input(startTrace({ ...mesh, tp: 1 }, origin), [2], { tp: 'I' }).types).toEqual({});
});

test('sites nest, and a gradient has the site of the op it is of', () => {
  const trace = startTrace(mesh, origin);
  const x = input(trace, [2, 3, 4], {});
  const y = at(trace, 'block 1', () => at(trace, 'mlp', () => scale(x, 3)));
  at(trace, 'backward', () => grad(trace, [{ value: y, gradient: input(trace, y.shape, { tp: 'P' }) }], [x]));
  expect(trace.nodes.map(({ site }) => site)).toEqual(['block 1 mlp', 'block 1 mlp']);
  expect(trace.site).toBe('');
});

test('shapes that do not fit are refused with op and site', () => {
  const trace = startTrace(mesh, origin);
  const refused = (write: () => unknown): string => {
    try {
      at(trace, 'mlp', write);
    } catch (error) {
      return `${(error as FivefoldError).code} ${(error as Error).message}`;
    }
    return 'nothing refused';
  };
  const x = input(trace, [2, 3, 4], {});
  const turned = { frequencies: [1], maxPositions: 3 };
  const messages = [
    refused(() => linear(x, input(trace, [4, 5], {}))),
    refused(() => add(x, input(trace, [3], {}))),
    refused(() => rope(input(trace, [1, 3, 2, 4], {}), input(trace, [1, 3], {}, 'int'), turned)),
    refused(() => rope(input(trace, [1, 3, 2, 2], {}), input(trace, [3], {}, 'int'), turned)),
    refused(() => embedding(input(trace, [2, 3], {}), input(trace, [5, 4], {}))),
    refused(() => add(x, input(trace, [4], {}, 'double'))),
  ];
  expect(messages.join('\n')).toMatchInlineSnapshot(`
    "SHAPE_MISMATCH linear at mlp: x has 4 features but the weight takes 5 (out,in [4,5])
    SHAPE_MISMATCH add at mlp: [3] does not line up with the last dims of [2,3,4]; make them equal
    SHAPE_MISMATCH rope at mlp: 1 frequencies for heads of 4; give one for each pair of features
    SHAPE_MISMATCH rope at mlp: needs positions [1,3] of type int, got int [3]
    SHAPE_MISMATCH embedding at mlp: needs token ids [b, s] of type int, got float [2,3]
    SHAPE_MISMATCH add at mlp: operand 1 is of 64 bits in every run (double), which only host ops and collectives take; make it a float"
  `);
});

test('a program as text: values in order of appearance, types, attributes, sites, names', () => {
  const trace = startTrace({ ...mesh, dp: 2 }, origin);
  const ids = input(trace, [2, 3], { dp: 'V0' }, 'int');
  const unused = input(trace, [1], {});
  const table = input(trace, [5, 4], { tp: 'I' });
  const program = at(trace, 'embedding', () => {
    const x = embedding(ids, table, 0);
    const entered = enter(x, 'tp');
    return finish(trace, { ids, unused, table }, { x, same: entered });
  });
  expect(print(program)).toMatchInlineSnapshot(`
    "in %0 [2, 3] int {tp:R dp:V0}  ids
    in %1 [1] {tp:R dp:R}  unused
    in %2 [5, 4] {tp:I dp:R}  table
      %3 [2, 3, 4] {tp:I dp:V0} = embedding(%0, %2, offset=0)  # embedding
      %4 [2, 3, 4] {tp:R dp:V0} = enter(%3, axes=tp)  # embedding
    out %3  x
    out %4  same"
  `);
});

test('values of 64 bits in every run are for host ops: printed as such, exact, and refused by ONNX ops', async () => {
  const trace = startTrace({ ...mesh, tp: 1 }, origin);
  const x = input(trace, [3], {});
  const squares: Op = {
    name: 'squares',
    shape: () => [{ shape: [1], dtype: 'double' }],
    typing: { dims: 'a -> 1' },
    execution: {
      by: 'host',
      run: ([from], [to]) => void to!.fill((from as Float32Array).reduce((sum, value) => sum + value ** 2, 0)),
    },
  };
  const [sum] = apply(squares, [x], {});
  const program = finish(trace, { x }, { sum: sum! });
  expect(print(program)).toMatchInlineSnapshot(`
    "in %0 [3]  x
      %1 [1] double = squares(%0)
    out %1  sum"
  `);
  const data = Float64Array.of(1, 0, 2 ** 20);
  const { outputs } = await runProgram(program, 'f32', { x: { shape: [3], data } });
  // Exact in 64 bits, and not in 32.
  expect(outputs.sum!.data[0]).toBe(2 ** 40 + 1);
  expect(() => scale(sum!, 2)).toThrow('scale: operand 0 is of 64 bits in every run (double)');
});

test('true attributes are shown: a rotation back differs from a rotation', () => {
  const trace = startTrace({ ...mesh, tp: 1 }, origin);
  const x = input(trace, [1, 3, 1, 2], {});
  const positions = input(trace, [1, 3], {}, 'int');
  const y = rope(x, positions, { frequencies: [1], maxPositions: 3 });
  const [dx] = grad(trace, [{ value: y, gradient: input(trace, y.shape, {}) }], [x]);
  expect(print(finish(trace, { x, positions }, { dx: dx! }))).toMatchInlineSnapshot(`
    "in %0 [1, 3, 1, 2]  x
    in %1 [1, 3] int  positions
      %2 [1, 3, 1, 2] = rope(%0, %1, maxPositions=3)
      %4 [1, 3, 1, 2] = rope(%3, %1, maxPositions=3, inverse)
    out %4  dx"
  `);
});
