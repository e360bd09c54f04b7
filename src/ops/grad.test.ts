// Reverse mode: what it adds up, where it stops, and that accumulators hold the right sums even where gradients are shared.
import { expect, test } from 'vitest';
import { runProgram } from '../../test/run-graph.ts';
import { print } from '../program/print.ts';
import type { NdArray } from '../program/program.ts';
import { elements, type Program, type Trace, type Value } from '../program/program.ts';
import { apply, at, finish, input, startTrace } from '../program/trace.ts';
import { add, multiply, scale } from './elementwise.ts';
import { embedding } from './embedding.ts';
import { grad } from './grad.ts';
import { linear } from './linear.ts';
import { normOps } from './norm.ts';

const mesh = { tp: 1, cp: 1, ep: 1, dp: 1, pp: 1 };
const start = (): Trace => startTrace(mesh, { tp: 0, cp: 0, ep: 0, dp: 0, pp: 0 });

/** Small whole numbers, different in every input, so that sums are exact. */
const numbered = (program: Program): Record<string, NdArray> =>
  Object.fromEntries(
    Object.entries(program.inputs).map(([name, { shape, dtype }], place) => [
      name,
      {
        shape,
        data: Float64Array.from({ length: elements(shape) }, (_, i) =>
          dtype === 'int' ? i % 3 : ((i + place) % 5) - 1,
        ),
      },
    ]),
  );

/** Runs the gradients with and without accumulators: the former must be the latter plus what the accumulators held. */
async function expectAccumulates(write: (trace: Trace) => { inputs: Record<string, Value>; y: Value; wrt: string[] }) {
  const outputs = async (accumulating: boolean) => {
    const trace = start();
    const { inputs, y, wrt } = write(trace);
    const seed = input(trace, y.shape, {});
    const sums = Object.fromEntries(wrt.map((name) => [`sum ${name}`, input(trace, inputs[name]!.shape, {})]));
    const values = wrt.map((name) => inputs[name]!);
    const gradients = grad(trace, [{ value: y, gradient: seed }], values, accumulating ? Object.values(sums) : []);
    const named = Object.fromEntries(wrt.map((name, index) => [name, gradients[index]!]));
    const program = finish(trace, { ...inputs, seed, ...sums }, named);
    return { ran: await runProgram(program, 'f64', numbered(program)), given: numbered(program), wrt };
  };
  const [plain, summed] = [await outputs(false), await outputs(true)];
  for (const name of plain.wrt) {
    const held = plain.given[`sum ${name}`]!.data;
    expect(summed.ran.outputs[name]!.data).toEqual(plain.ran.outputs[name]!.data.map((g, i) => g + held[i]!));
    expect(summed.ran.inputs[`sum ${name}`]).toEqual(summed.ran.outputs[name]!.data);
  }
}

test('weights used twice have one gradient, the sum', () => {
  const trace = start();
  const [x, w] = [input(trace, [1, 2, 3], {}), input(trace, [3, 3], {})];
  const y = linear(linear(x, w), w);
  const seed = input(trace, y.shape, {});
  const [dw] = grad(trace, [{ value: y, gradient: seed }], [w]);
  expect(print(finish(trace, { x, w, seed }, { dw: dw! }))).toMatchInlineSnapshot(`
    "in %0 [1, 2, 3]  x
    in %1 [3, 3]  w
    in %2 [1, 2, 3]  seed
      %3 [1, 2, 3] = linear(%0, %1, order=out,in)
      %4 [1, 2, 3] = linear(%3, %1, order=out,in)
      %5 [1, 2, 3] = linear(%2, %1, order=in,out)
      %6 [3, 3] = outerSum(%2, %3)
      %7 [1, 2, 3] = linear(%5, %1, order=in,out)
      %8 [3, 3] = outerSum(%5, %0)
      %9 [3, 3] = add(%6, %8)
    out %9  dw"
  `);
});

test('what does not depend on a value has no gradient: undefined, or the accumulator as it was', () => {
  const trace = start();
  const [x, w, other, sum] = [[1, 2, 3], [3, 3], [5], [5]].map((shape) => input(trace, shape, {})) as [
    Value,
    Value,
    Value,
    Value,
  ];
  const y = linear(x, w);
  const nodes = trace.nodes.length;
  const seed = { value: y, gradient: input(trace, y.shape, {}) };
  expect(grad(trace, [seed], [other])).toEqual([undefined]);
  expect(grad(trace, [seed], [other], [sum])).toEqual([sum]);
  expect(grad(trace, [], [w])).toEqual([undefined]);
  expect(trace.nodes.length).toBeGreaterThan(nodes);
});

test('a value may be its own gradient target: the seed comes back', () => {
  const trace = start();
  const x = input(trace, [2], {});
  const gradient = input(trace, [2], {});
  expect(grad(trace, [{ value: x, gradient }], [x])).toEqual([gradient]);
});

test('gradients add onto accumulators: weights, tied tables, biases', async () => {
  await expectAccumulates((trace) => {
    const ids = input(trace, [2, 3], {}, 'int');
    const table = input(trace, [4, 5], {});
    const [w, bias] = [input(trace, [5, 5], {}), input(trace, [5], {})];
    const y = linear(add(linear(embedding(ids, table), w), bias), table);
    return { inputs: { ids, table, w, bias }, y, wrt: ['table', 'w', 'bias'] };
  });
});

test('two parameters with one gradient between them keep their sums apart', async () => {
  await expectAccumulates((trace) => {
    const [x, a, b] = [input(trace, [1, 2, 3], {}), input(trace, [3, 3], {}), input(trace, [3, 3], {})];
    return { inputs: { x, a, b }, y: linear(x, add(a, b)), wrt: ['a', 'b'] };
  });
});

test('a gradient that others are made of is not written over', async () => {
  await expectAccumulates((trace) => {
    const [x, a] = [input(trace, [1, 2, 3], {}), input(trace, [3, 3], {})];
    const [b, twice] = [input(trace, [3, 3], {}), scale(a, 2)];
    const w = add(twice, b);
    return { inputs: { x, a, b }, y: linear(x, w), wrt: ['b', 'a'] };
  });
  await expectAccumulates((trace) => {
    const [x, a, b] = [input(trace, [1, 2, 3], {}), input(trace, [3, 3], {}), input(trace, [3, 3], {})];
    return { inputs: { x, a, b }, y: linear(linear(x, multiply(a, b)), a), wrt: ['a', 'b'] };
  });
});

test('an op without a gradient is refused', () => {
  const trace = start();
  const [x, w] = [input(trace, [1, 2, 3], {}), input(trace, [3, 3], {})];
  const seed = input(trace, [1, 2, 3], {});
  const [dw] = grad(trace, [{ value: linear(x, w), gradient: seed }], [w]);
  const again = () => grad(trace, [{ value: dw!, gradient: input(trace, [3, 3], {}) }], [x]);
  expect(again).toThrowErrorMatchingInlineSnapshot(
    `[FivefoldError: outerSum has no gradient; give the op a vjp, or do not differentiate through it]`,
  );
});

test('a gradient that no vjp takes is refused: it would be lost', () => {
  const trace = startTrace({ ...mesh, tp: 2 }, { tp: 0, cp: 0, ep: 0, dp: 0, pp: 0 });
  const [x, gain] = [input(trace, [1, 2, 3], {}), input(trace, [3], {})];
  const [, inverse] = at(trace, 'block 2', () => apply(normOps.rmsNormOp, [x, gain], { epsilon: 1e-5 }));
  const seed = input(trace, inverse!.shape, { tp: 'P' });
  expect(() => grad(trace, [{ value: inverse!, gradient: seed }], [x])).toThrowErrorMatchingInlineSnapshot(
    `[FivefoldError: rmsNorm at block 2 has no gradient for its result 1; use that result's gradient in the op's vjp and name the result in the op's differentiable, or do not differentiate through it]`,
  );
});
