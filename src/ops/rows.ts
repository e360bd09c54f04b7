// A slice of one dim that is the same on every rank, and its gradient.

import type { Value } from '../program/program.ts';
import { expectShape, type Op } from '../program/program.ts';
import { apply } from '../program/trace.ts';
import { float, labels, ndarray } from './shapes.ts';

interface Rows {
  readonly size: number;
}

const wholeFirst = (rank: number) => {
  const [first, ...rest] = labels(rank).split(' ');
  return `${first}! ${rest.join(' ')} -> ${labels(rank)}`;
};

/** The first `size` rows. */
const firstRowsOp: Op<Rows> = {
  name: 'firstRows',
  shape: ([x], { size }) => {
    expectShape(size <= x!.shape[0]!, `the first ${size} rows of ${x!.shape[0]} do not exist`);
    return [float([size, ...x!.shape.slice(1)])];
  },
  typing: ([x]) => ({ dims: wholeFirst(x!.shape.length), linear: 'all' }),
  vjp: ({ node, gradients: [g] }) => apply(padRowsOp, [g!], { size: node.inputs[0]!.shape[0]! }),
  execution: { by: 'onnx', lower: (onnx, [x], { size }) => [onnx.slice(x!, 0, 0, size)] },
  reference: ([x], { size }) => [ndarray([size, ...x!.shape.slice(1)], (i) => x!.data[i]!)],
};

/** Zero rows after, up to `size`. */
const padRowsOp: Op<Rows> = {
  name: 'padRows',
  shape: ([x], { size }) => {
    expectShape(size >= x!.shape[0]!, `${x!.shape[0]} rows do not fit into ${size}`);
    return [float([size, ...x!.shape.slice(1)])];
  },
  typing: ([x]) => ({ dims: wholeFirst(x!.shape.length), linear: 'all' }),
  execution: {
    by: 'onnx',
    lower: (onnx, [x], { size }, node) => {
      const { shape } = node.inputs[0]!;
      const after = shape.map((n, dim) => (dim === 0 ? size - n : 0));
      return [onnx.add('Pad', [x!, onnx.int64s(...shape.map(() => 0), ...after)])];
    },
  },
  reference: ([x], { size }) => [ndarray([size, ...x!.shape.slice(1)], (i) => x!.data[i] ?? 0)],
};

/** Rows [0, size) of x. */
export const firstRows = (x: Value, size: number): Value => apply(firstRowsOp, [x], { size })[0]!;

export const sliceOps = { firstRowsOp, padRowsOp };
