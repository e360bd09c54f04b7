// Matrix multiplication with weights: y = x·Wᵀ, and the sum of outer products that is a weight's gradient.

import type { Value } from '../program/program.ts';
import { expectShape, type Op, type TensorShape } from '../program/program.ts';
import { apply } from '../program/trace.ts';
import { float, lastDim, ndarray, rowsOf } from './shapes.ts';

/** How a weight is stored: `out,in` (torch Linear) or `in,out` (GPT-2's Conv1D). */
export type WeightOrder = 'out,in' | 'in,out';

const outOf = (w: TensorShape, order: WeightOrder) => w.shape[order === 'out,in' ? 0 : 1]!;
const inOf = (w: TensorShape, order: WeightOrder) => w.shape[order === 'out,in' ? 1 : 0]!;

const linearOp: Op<{ order: WeightOrder }> = {
  name: 'linear',
  shape: ([x, w], { order }) => {
    expectShape(
      x!.shape.length === 3 && w!.shape.length === 2,
      `needs x [b, s, in] and a matrix, got [${x!.shape}] and [${w!.shape}]`,
    );
    expectShape(
      lastDim(x!.shape) === inOf(w!, order),
      `x has ${lastDim(x!.shape)} features but the weight takes ${inOf(w!, order)} (${order} [${w!.shape}])`,
    );
    return [float([x!.shape[0]!, x!.shape[1]!, outOf(w!, order)])];
  },
  typing: (_, { order }) => ({
    dims: order === 'out,in' ? 'b s k, n k -> b s n' : 'b s k, k n -> b s n',
    linear: [0, 1],
  }),
  flops: ([x, w], { order }) => 2 * rowsOf(x!.shape) * inOf(w!, order) * outOf(w!, order),
  kernel: ([x, w], { order }) => ({
    kind: 'matmul',
    batch: 1,
    m: rowsOf(x!.shape),
    n: outOf(w!, order),
    k: inOf(w!, order),
  }),
  vjp: ({ node, gradients: [g] }) => {
    const [x, w] = node.inputs as [Value, Value];
    const { order } = node.attrs;
    const flipped = order === 'out,in' ? 'in,out' : 'out,in';
    return [linear(g!, w, flipped), order === 'out,in' ? outerSum(g!, x) : outerSum(x, g!)];
  },
  execution: {
    by: 'onnx',
    lower: (onnx, [x, w], { order }, node) => {
      const [inputs, weight] = node.inputs as [Value, Value];
      const size = { m: rowsOf(inputs.shape), k: inOf(weight, order), n: outOf(weight, order) };
      return [onnx.matMul(x!, w!, size, order === 'out,in' ? 'transposed' : undefined)];
    },
  },
  reference: ([x, w], { order }) => {
    const k = inOf({ shape: w!.shape, dtype: 'float' }, order);
    const n = outOf({ shape: w!.shape, dtype: 'float' }, order);
    return [
      ndarray([x!.shape[0]!, x!.shape[1]!, n], (index) => {
        const row = Math.floor(index / n);
        const out = index % n;
        let sum = 0;
        for (let i = 0; i < k; i++)
          sum += x!.data[row * k + i]! * w!.data[order === 'out,in' ? out * k + i : i * n + out]!;
        return sum;
      }),
    ];
  },
};

const outerSumOp: Op = {
  name: 'outerSum',
  shape: ([a, b]) => {
    expectShape(
      a!.shape.length === 3 && a!.shape[0] === b!.shape[0] && a!.shape[1] === b!.shape[1],
      `needs [b, s, m] and [b, s, n], got [${a!.shape}] and [${b!.shape}]`,
    );
    return [float([lastDim(a!.shape), lastDim(b!.shape)])];
  },
  typing: { dims: 'b s m, b s n -> m n', linear: [0, 1] },
  accumulates: 2,
  flops: ([a, b]) => 2 * rowsOf(a!.shape) * lastDim(a!.shape) * lastDim(b!.shape),
  kernel: ([a, b, accumulator]) => ({
    kind: 'matmul',
    batch: 1,
    m: lastDim(a!.shape),
    n: lastDim(b!.shape),
    k: rowsOf(a!.shape),
    ...(accumulator && { accumulates: true }),
  }),
  execution: {
    by: 'onnx',
    lower: (onnx, [a, b, accumulator], _, node) => {
      const size = {
        k: rowsOf(node.inputs[0]!.shape),
        m: lastDim(node.inputs[0]!.shape),
        n: lastDim(node.inputs[1]!.shape),
      };
      const [rows, others] = [onnx.reshape(a!, [size.k, size.m]), onnx.reshape(b!, [size.k, size.n])];
      return [onnx.gemm(rows, others, size, { transposed: 'a', ...(accumulator ? { add: accumulator } : {}) })];
    },
  },
  reference: ([a, b]) => {
    const [m, n, k] = [lastDim(a!.shape), lastDim(b!.shape), rowsOf(a!.shape)];
    return [
      ndarray([m, n], (index) => {
        let sum = 0;
        for (let row = 0; row < k; row++)
          sum += a!.data[row * m + Math.floor(index / n)]! * b!.data[row * n + (index % n)]!;
        return sum;
      }),
    ];
  },
};

/** x [b, s, in] times a weight -> [b, s, out]. */
export const linear = (x: Value, w: Value, order: WeightOrder = 'out,in'): Value =>
  apply(linearOp, [x, w], { order })[0]!;
/** Σ over b and s of a ⊗ b: [b, s, m], [b, s, n] -> [m, n]. */
export const outerSum = (a: Value, b: Value): Value => apply(outerSumOp, [a, b], {})[0]!;

export const linearOps = { linearOp, outerSumOp };
