// Activations of the MLP: SwiGLU, the tanh-approximated GELU and squared ReLU, with their gradients.
import type { OnnxBuilder } from '../program/onnx-builder.ts';
import type { Op, Value } from '../program/program.ts';
import { apply } from '../program/trace.ts';
import { byElements } from './by-elements.ts';
import { expectSame, float, labels, ndarray } from './shapes.ts';

const each = (count: number, results: number, rank: number) =>
  `${Array.from({ length: count }, () => labels(rank)).join(', ')} -> ${Array.from({ length: results }, () => labels(rank)).join(', ')}`;

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

const swigluOp: Op = {
  name: 'swiglu',
  shape: ([gate, up]) => {
    expectSame(gate!, up!);
    return [float(gate!.shape)];
  },
  typing: ([x]) => ({ dims: each(2, 1, x!.shape.length) }),
  vjp: ({ node, gradients: [g] }) => apply(swigluGradOp, [g!, node.inputs[0]!, node.inputs[1]!], {}),
  rowwise: true,
  execution: byElements({
    name: 'swiglu',
    inputs: 2,
    outputs: 1,
    write: (onnx, [gate, up]) => [onnx.add('Mul', [onnx.add('Mul', [gate!, onnx.add('Sigmoid', [gate!])]), up!])],
  }),
  reference: ([gate, up]) => [ndarray(gate!.shape, (i) => gate!.data[i]! * sigmoid(gate!.data[i]!) * up!.data[i]!)],
};

const swigluGradOp: Op = {
  name: 'swigluGrad',
  shape: ([, gate, up]) => [float(gate!.shape), float(up!.shape)],
  typing: ([x]) => ({ dims: each(3, 2, x!.shape.length), linear: [0] }),
  rowwise: true,
  execution: byElements({
    name: 'swigluGrad',
    inputs: 3,
    outputs: 2,
    write: (onnx, [dy, gate, up]) => {
      const open = onnx.add('Sigmoid', [gate!]);
      const silu = onnx.add('Mul', [gate!, open]);
      const slope = onnx.add('Add', [open, onnx.add('Mul', [silu, onnx.add('Sub', [onnx.scalar(1), open])])]);
      return [onnx.add('Mul', [onnx.add('Mul', [dy!, up!]), slope]), onnx.add('Mul', [dy!, silu])];
    },
  }),
  reference: ([dy, gate, up]) => [
    ndarray(gate!.shape, (i) => {
      const s = sigmoid(gate!.data[i]!);
      return dy!.data[i]! * up!.data[i]! * (s + gate!.data[i]! * s * (1 - s));
    }),
    ndarray(gate!.shape, (i) => dy!.data[i]! * gate!.data[i]! * sigmoid(gate!.data[i]!)),
  ],
};

// tanh(u) = 2·sigmoid(2u) - 1, so 0.5·x·(1 + tanh(u)) = x·sigmoid(2u) with u = √(2/π)·(x + 0.044715·x³).
const twice = 2 * Math.sqrt(2 / Math.PI);
const cubic = 0.044715;

function geluGate(onnx: OnnxBuilder, x: string): { gate: string; square: string } {
  const square = onnx.add('Mul', [x, x]);
  const inner = onnx.add('Add', [onnx.add('Mul', [square, onnx.scalar(twice * cubic)]), onnx.scalar(twice)]);
  return { gate: onnx.add('Sigmoid', [onnx.add('Mul', [x, inner])]), square };
}

const geluOp: Op = {
  name: 'gelu',
  shape: ([x]) => [float(x!.shape)],
  typing: ([x]) => ({ dims: each(1, 1, x!.shape.length) }),
  vjp: ({ node, gradients: [g] }) => apply(geluGradOp, [g!, node.inputs[0]!], {}),
  rowwise: true,
  execution: byElements({
    name: 'gelu',
    inputs: 1,
    outputs: 1,
    write: (onnx, [x]) => [onnx.add('Mul', [x!, geluGate(onnx, x!).gate])],
  }),
  reference: ([x]) => [
    ndarray(
      x!.shape,
      (i) => 0.5 * x!.data[i]! * (1 + Math.tanh((twice / 2) * (x!.data[i]! + cubic * x!.data[i]! ** 3))),
    ),
  ],
};

const geluGradOp: Op = {
  name: 'geluGrad',
  shape: ([, x]) => [float(x!.shape)],
  typing: ([x]) => ({ dims: each(2, 1, x!.shape.length), linear: [0] }),
  rowwise: true,
  execution: byElements({
    name: 'geluGrad',
    inputs: 2,
    outputs: 1,
    write: (onnx, [dy, x]) => {
      const { gate, square } = geluGate(onnx, x!);
      const rise = onnx.add('Add', [onnx.add('Mul', [square, onnx.scalar(3 * twice * cubic)]), onnx.scalar(twice)]);
      const bend = onnx.add('Mul', [onnx.add('Mul', [x!, rise]), onnx.add('Sub', [onnx.scalar(1), gate])]);
      const slope = onnx.add('Mul', [gate, onnx.add('Add', [bend, onnx.scalar(1)])]);
      return [onnx.add('Mul', [dy!, slope])];
    },
  }),
  reference: ([dy, x]) => [
    ndarray(x!.shape, (i) => {
      const value = x!.data[i]!;
      const t = Math.tanh((twice / 2) * (value + cubic * value ** 3));
      return dy!.data[i]! * (0.5 * (1 + t) + 0.5 * value * (1 - t * t) * (twice / 2) * (1 + 3 * cubic * value * value));
    }),
  ],
};

/** Squared ReLU: So et al., "Primer: searching for efficient transformers", 2021. */
const squaredReluOp: Op = {
  name: 'squaredRelu',
  shape: ([x]) => [float(x!.shape)],
  typing: ([x]) => ({ dims: each(1, 1, x!.shape.length) }),
  vjp: ({ node, gradients: [g] }) => apply(squaredReluGradOp, [g!, node.inputs[0]!], {}),
  rowwise: true,
  execution: byElements({
    name: 'squaredRelu',
    inputs: 1,
    outputs: 1,
    write: (onnx, [x]) => {
      const kept = onnx.add('Max', [x!, onnx.scalar(0)]);
      return [onnx.add('Mul', [kept, kept])];
    },
  }),
  reference: ([x]) => [ndarray(x!.shape, (i) => Math.max(0, x!.data[i]!) ** 2)],
};

const squaredReluGradOp: Op = {
  name: 'squaredReluGrad',
  shape: ([, x]) => [float(x!.shape)],
  typing: ([x]) => ({ dims: each(2, 1, x!.shape.length), linear: [0] }),
  rowwise: true,
  execution: byElements({
    name: 'squaredReluGrad',
    inputs: 2,
    outputs: 1,
    write: (onnx, [dy, x]) => {
      const slope = onnx.add('Mul', [onnx.add('Max', [x!, onnx.scalar(0)]), onnx.scalar(2)]);
      return [onnx.add('Mul', [dy!, slope])];
    },
  }),
  reference: ([dy, x]) => [ndarray(x!.shape, (i) => dy!.data[i]! * 2 * Math.max(0, x!.data[i]!))],
};

const sigmoidOp: Op = {
  name: 'sigmoid',
  shape: ([x]) => [float(x!.shape)],
  typing: ([x]) => ({ dims: each(1, 1, x!.shape.length) }),
  vjp: ({ node, gradients: [g] }) => apply(sigmoidGradOp, [g!, node.outputs[0]!], {}),
  execution: { by: 'onnx', lower: (onnx, [x]) => [onnx.add('Sigmoid', [x!])] },
  reference: ([x]) => [ndarray(x!.shape, (i) => sigmoid(x!.data[i]!))],
};

/** Of the result y. */
const sigmoidGradOp: Op = {
  name: 'sigmoidGrad',
  shape: ([, y]) => [float(y!.shape)],
  typing: ([x]) => ({ dims: each(2, 1, x!.shape.length), linear: [0] }),
  execution: {
    by: 'onnx',
    lower: (onnx, [dy, y]) => [onnx.add('Mul', [dy!, onnx.add('Mul', [y!, onnx.add('Sub', [onnx.scalar(1), y!])])])],
  },
  reference: ([dy, y]) => [ndarray(y!.shape, (i) => dy!.data[i]! * y!.data[i]! * (1 - y!.data[i]!))],
};

/** silu(gate) · up. */
export const swiglu = (gate: Value, up: Value): Value => apply(swigluOp, [gate, up], {})[0]!;
/** The tanh approximation of GELU (`gelu_new` in Hugging Face). */
export const gelu = (x: Value): Value => apply(geluOp, [x], {})[0]!;
/** max(x, 0)², elementwise. */
export const squaredRelu = (x: Value): Value => apply(squaredReluOp, [x], {})[0]!;
/** 1 / (1 + exp(-x)). */
export const logistic = (x: Value): Value => apply(sigmoidOp, [x], {})[0]!;

export const activationOps = {
  swigluOp,
  swigluGradOp,
  geluOp,
  geluGradOp,
  squaredReluOp,
  squaredReluGradOp,
  sigmoidOp,
  sigmoidGradOp,
};
