// What ops that run by blocks say they take inside of ONNX Runtime, against what its arena counts while they run.
import { afterAll, expect, test } from 'vitest';
import { runProgram } from '../../test/run-graph.ts';
import { activationOps } from '../ops/activation.ts';
import { attentionOps } from '../ops/attention.ts';
import { lowerKernel } from '../program/lower-kernel.ts';
import { type Dtype, elements, type NdArray, type Op, type Shape } from '../program/program.ts';
import { apply, finish, input, startTrace } from '../program/trace.ts';
import { createSession } from './onnx/session.ts';

type Operand = NdArray & { readonly dtype: Dtype };

const floats = (shape: Shape): Operand => ({
  shape,
  dtype: 'float',
  data: new Float64Array(elements(shape)).fill(0.5),
});

const tokens = 2048;
/** Positions and documents: one document, in order. */
const places = [(token: number) => token, () => 0].map(
  (place): Operand => ({
    shape: [1, tokens],
    dtype: 'int',
    data: Float64Array.from({ length: tokens }, (_, i) => place(i)),
  }),
);
const [q, k, lse] = [
  [1, 1, tokens, 2, 32],
  [1, 1, tokens, 1, 32],
  [1, 1, tokens, 2, 1],
].map(floats) as [Operand, Operand, Operand];
const attention = [q, k, k, ...places, ...places];
const x = floats([tokens, 64]);

const { swigluOp, swigluGradOp, geluOp, geluGradOp } = activationOps;
const { attentionOp, attentionGradOp } = attentionOps;
/** Of a block. Counted by hand, gelu has one too many and swigluGrad one too few. */
const oneTensor = 2 ** 15 * 4 + 64;
/** A number of each row, two of them; whatever is below is rounding and the gauge. */
const columns = 2 * 128 * 4 + 64;
/** The arena counts the most so far, so the most hungry come last. */
const cases = [
  { op: swigluOp, operands: [x, x], within: oneTensor },
  { op: geluOp, operands: [x], within: oneTensor },
  { op: geluGradOp, operands: [x, x], within: oneTensor },
  { op: swigluGradOp, operands: [x, x, x], within: oneTensor },
  { op: attentionOp, operands: attention, within: columns },
  { op: attentionGradOp, operands: [...attention, lse, q, lse], within: columns },
] as readonly { op: Op; operands: readonly Operand[]; within: number }[];

const gauge = createSession(
  lowerKernel(
    {
      name: 'gauge',
      inputs: [{ name: 'x', shape: [1] }],
      outputs: [{ name: 'y', shape: [1] }],
      write: (onnx, { x }) => [onnx.add('Neg', [x!])],
    },
    'f32',
  ).graph,
  'f32',
);
afterAll(() => gauge.release());

const named = <T>(values: readonly T[], letter: string): Record<string, T> =>
  Object.fromEntries(values.map((value, index) => [`${letter}${index}`, value]));

test.each(cases)('$op.name takes what it says', async ({ op, operands, within }) => {
  const trace = startTrace({ tp: 1, cp: 1, ep: 1, dp: 1, pp: 1 }, { tp: 0, cp: 0, ep: 0, dp: 0, pp: 0 });
  const inputs = operands.map(({ shape, dtype }) => input(trace, shape, {}, dtype));
  const attrs = { scale: 1 };
  const program = finish(trace, named(inputs, 'i'), named(apply(op, inputs, attrs), 'o'));
  await runProgram(program, 'f32', named<NdArray>(operands, 'i'));
  const { execution } = op;
  if (execution.by !== 'blocks') throw new Error(`${op.name} does not run by blocks`);
  const said = 4 * execution.scratch(attrs, program.nodes[0]!).insideElements;
  expect(Math.abs(gauge.arena().peakBytes - said)).toBeLessThanOrEqual(within);
});
