// Elementwise ops: add, multiply, scale, offset, and adding into an accumulator.

import type { Value } from '../program/program.ts';
import { expectShape, type Op } from '../program/program.ts';
import { apply } from '../program/trace.ts';
import { expectSame, float, labels, ndarray, trailing } from './shapes.ts';

type None = Record<never, never>;
const none: None = {};

/** Sums all dims but the last: [.., c] -> [c]. The gradient of a broadcast bias. */
const sumLeadingOp: Op<{ keep: number }> = {
  name: 'sumLeading',
  shape: ([x], { keep }) => [float(x!.shape.slice(x!.shape.length - keep))],
  typing: ([x], { keep }) => ({
    dims: `${labels(x!.shape.length)} -> ${trailing(keep, x!.shape.length)}`,
    linear: 'all',
  }),
  execution: {
    by: 'onnx',
    lower: (onnx, [x], { keep }, node) => {
      const dims = node.inputs[0]!.shape.length - keep;
      const axes = Array.from({ length: dims }, (_, dim) => dim);
      return [onnx.add('ReduceSum', [x!, onnx.int64s(...axes)], { keepdims: 0 })];
    },
  },
  reference: ([x], { keep }) => {
    const shape = x!.shape.slice(x!.shape.length - keep);
    const out = ndarray(shape, () => 0);
    for (const [index, value] of x!.data.entries()) out.data[index % out.data.length]! += value;
    return [out];
  },
};

const addOp: Op = {
  name: 'add',
  shape: ([x, y]) => {
    const tail = x!.shape.slice(x!.shape.length - y!.shape.length);
    expectShape(
      tail.join() === y!.shape.join(),
      `[${y!.shape}] does not line up with the last dims of [${x!.shape}]; make them equal`,
    );
    return [float(x!.shape)];
  },
  typing: ([x, y]) => {
    const rank = x!.shape.length;
    return { dims: `${labels(rank)}, ${trailing(y!.shape.length, rank)} -> ${labels(rank)}`, linear: 'all' };
  },
  vjp: ({ node, gradients: [g] }) => {
    const [x, y] = node.inputs;
    return [g, x!.shape.length === y!.shape.length ? g : apply(sumLeadingOp, [g!], { keep: y!.shape.length })[0]];
  },
  rowwise: true,
  execution: { by: 'onnx', lower: (onnx, [x, y]) => [onnx.add('Add', [x!, y!])] },
  reference: ([x, y]) => [ndarray(x!.shape, (i) => x!.data[i]! + y!.data[i % y!.data.length]!)],
};

const multiplyOp: Op = {
  name: 'multiply',
  shape: ([x, y]) => {
    expectSame(x!, y!);
    return [float(x!.shape)];
  },
  typing: ([x]) => ({
    dims: `${labels(x!.shape.length)}, ${labels(x!.shape.length)} -> ${labels(x!.shape.length)}`,
    linear: [0, 1],
  }),
  vjp: ({ node, gradients: [g] }) => [multiply(g!, node.inputs[1]!), multiply(g!, node.inputs[0]!)],
  rowwise: true,
  execution: { by: 'onnx', lower: (onnx, [x, y]) => [onnx.add('Mul', [x!, y!])] },
  reference: ([x, y]) => [ndarray(x!.shape, (i) => x!.data[i]! * y!.data[i]!)],
};

const scaleOp: Op<{ by: number }> = {
  name: 'scale',
  shape: ([x]) => [float(x!.shape)],
  typing: ([x]) => ({ dims: `${labels(x!.shape.length)} -> ${labels(x!.shape.length)}`, linear: 'all' }),
  vjp: ({ node, gradients: [g] }) => [scale(g!, node.attrs.by)],
  execution: { by: 'onnx', lower: (onnx, [x], { by }) => [onnx.add('Mul', [x!, onnx.scalar(by)])] },
  reference: ([x], { by }) => [ndarray(x!.shape, (i) => x!.data[i]! * by)],
};

const offsetOp: Op<{ by: number }> = {
  name: 'offset',
  shape: ([x]) => [float(x!.shape)],
  typing: ([x]) => ({ dims: `${labels(x!.shape.length)} -> ${labels(x!.shape.length)}` }),
  vjp: ({ gradients: [g] }) => [g],
  execution: { by: 'onnx', lower: (onnx, [x], { by }) => [onnx.add('Add', [x!, onnx.scalar(by)])] },
  reference: ([x], { by }) => [ndarray(x!.shape, (i) => x!.data[i]! + by)],
};

/** accumulator + x, written over the accumulator. */
const accumulateOp: Op = {
  name: 'accumulate',
  shape: ([accumulator, x]) => {
    expectSame(accumulator!, x!);
    return [float(x!.shape)];
  },
  typing: ([x]) => ({
    dims: `${labels(x!.shape.length)}, ${labels(x!.shape.length)} -> ${labels(x!.shape.length)}`,
    linear: 'all',
  }),
  inPlace: [0],
  execution: { by: 'onnx', lower: (onnx, [accumulator, x]) => [onnx.add('Add', [accumulator!, x!])] },
  reference: ([x, y]) => [ndarray(x!.shape, (i) => x!.data[i]! + y!.data[i]!)],
};

/** x + y; y may have fewer dims, which line up with x's last ones (a bias). */
export const add = (x: Value, y: Value): Value => apply(addOp, [x, y], none)[0]!;
/** x · y elementwise, of equal shapes. */
export const multiply = (x: Value, y: Value): Value => apply(multiplyOp, [x, y], none)[0]!;
/** x · by. */
export const scale = (x: Value, by: number): Value => apply(scaleOp, [x], { by })[0]!;
/** x + by, elementwise. */
export const offset = (x: Value, by: number): Value => apply(offsetOp, [x], { by })[0]!;
export const accumulate = (accumulator: Value, x: Value): Value => apply(accumulateOp, [accumulator, x], none)[0]!;

export const elementwiseOps = { addOp, multiplyOp, scaleOp, offsetOp, sumLeadingOp, accumulateOp };
