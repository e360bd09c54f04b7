// What the kernels of ops that run by blocks take inside of ONNX Runtime as predicted, against what its arena counts while they run.
import { afterAll, expect, test } from 'vitest';
import { runProgram } from '../../test/run-graph.ts';
import { activationOps } from '../ops/activation.ts';
import { attentionOps } from '../ops/attention.ts';
import { groupedOps } from '../ops/grouped-linear.ts';
import { lowerKernel } from '../program/lower-kernel.ts';
import type { Precision } from '../program/onnx-builder.ts';
import { type Dtype, elements, type NdArray, type Node, type Op, type Shape } from '../program/program.ts';
import { scratchBytes } from '../program/scratch.ts';
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
const { groupedLinearOp, groupedOuterSumOp } = groupedOps;
const experts: Operand = { shape: [1, tokens, 1], dtype: 'int', data: new Float64Array(tokens) };
const weights = floats([1, 48, 32]);
const rows = (width: number) => floats([1, tokens, width]);
const attrs = { scale: 1, order: 'out,in', into: 'slots', experts: 1 };
const ops = [
  { op: swigluOp, operands: [x, x] },
  { op: geluOp, operands: [x] },
  { op: geluGradOp, operands: [x, x] },
  { op: swigluGradOp, operands: [x, x, x] },
  { op: groupedLinearOp, operands: [rows(32), experts, weights] },
  { op: groupedOuterSumOp, operands: [rows(48), rows(32), experts] },
  { op: attentionOp, operands: attention },
  { op: attentionGradOp, operands: [...attention, lse, q, lse] },
] as readonly { op: Op; operands: readonly Operand[] }[];

function named<T>(values: readonly T[], letter: string): Record<string, T> {
  return Object.fromEntries(values.map((value, index) => [`${letter}${index}`, value]));
}

/** What the hungriest of a node's kernels takes. */
function kernelBytes(node: Node, precision: Precision): number {
  const { execution } = node.op;
  if (execution.by !== 'blocks') throw new Error(`${node.op.name} does not run by blocks`);
  const kernels = Object.values(execution.kernels(node.attrs, node));
  const largest = execution.largest(node.attrs, node);
  return Math.max(...kernels.map((kernel) => scratchBytes(lowerKernel(kernel, precision).graph, largest)));
}

const cases = ops.flatMap(({ op, operands }) =>
  (['f32', 'f64'] as const).map((precision) => {
    const trace = startTrace({ tp: 1, cp: 1, ep: 1, dp: 1, pp: 1 }, { tp: 0, cp: 0, ep: 0, dp: 0, pp: 0 });
    const inputs = operands.map(({ shape, dtype }) => input(trace, shape, {}, dtype));
    const program = finish(trace, named(inputs, 'i'), named(apply(op, inputs, attrs), 'o'));
    const predicted = kernelBytes(program.nodes[0]!, precision);
    return { name: `${op.name} in ${precision}`, program, operands, precision, predicted };
  }),
);
// The arena counts the most so far, so the most hungry come last.
cases.sort((a, b) => a.predicted - b.predicted);

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

test.each(cases)('$name takes what its kernels need', async ({ program, operands, precision, predicted }) => {
  await runProgram(program, precision, named<NdArray>(operands, 'i'));
  // The arena rounds sizes up, and has the gauge in it.
  expect(Math.abs(gauge.arena().peakBytes - predicted)).toBeLessThan(1024);
});
