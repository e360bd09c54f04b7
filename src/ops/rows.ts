// Rows of numbers times a number each, and the product of two rows: the one is the other's gradient.
import type { Op, Value } from '../program/program.ts';
import { expectShape } from '../program/program.ts';
import { apply } from '../program/trace.ts';
import { expectSame, float, labels, lastDim, ndarray, sameShape } from './shapes.ts';

/** Labels of rows, and of one number a row. */
const ofRows = (rank: number) => labels(rank);
const ofNumbers = (rank: number) => `${labels(rank - 1)} 1`;

const scaleRowsOp: Op = {
  name: 'scaleRows',
  shape: ([x, factors]) => {
    expectShape(
      sameShape(factors!.shape, [...x!.shape.slice(0, -1), 1]),
      `rows [${x!.shape}] need a factor each, [${[...x!.shape.slice(0, -1), 1]}], got [${factors!.shape}]`,
    );
    return [float(x!.shape)];
  },
  typing: ([x]) => {
    const rank = x!.shape.length;
    return { dims: `${ofRows(rank)}, ${ofNumbers(rank)} -> ${ofRows(rank)}`, linear: [0, 1] };
  },
  vjp: ({ node: { inputs }, gradients: [g] }) => {
    const [x, factors] = inputs as [Value, Value];
    return [scaleRows(g!, factors), rowProduct(g!, x)];
  },
  execution: { by: 'onnx', lower: (onnx, [x, factors]) => [onnx.add('Mul', [x!, factors!])] },
  reference: ([x, factors]) => {
    const width = lastDim(x!.shape);
    return [ndarray(x!.shape, (i) => x!.data[i]! * factors!.data[Math.floor(i / width)]!)];
  },
};

const rowProductOp: Op = {
  name: 'rowProduct',
  shape: ([x, y]) => {
    expectSame(x!, y!);
    return [float([...x!.shape.slice(0, -1), 1])];
  },
  typing: ([x]) => {
    const rank = x!.shape.length;
    return { dims: `${ofRows(rank)}, ${ofRows(rank)} -> ${ofNumbers(rank)}`, linear: [0, 1] };
  },
  execution: {
    by: 'onnx',
    lower: (onnx, [x, y]) => [onnx.add('ReduceSum', [onnx.add('Mul', [x!, y!]), onnx.int64s(-1)])],
  },
  reference: ([x, y]) => {
    const width = lastDim(x!.shape);
    const sums = ndarray([...x!.shape.slice(0, -1), 1], () => 0);
    for (const [i, value] of x!.data.entries()) sums.data[Math.floor(i / width)]! += value * y!.data[i]!;
    return [sums];
  },
};

/** Every row of x [.., d] times its own of the factors [.., 1]. */
export const scaleRows = (x: Value, factors: Value): Value => apply(scaleRowsOp, [x, factors], {})[0]!;
/** Σ x · y of every row: [.., d], [.., d] -> [.., 1]. */
export const rowProduct = (x: Value, y: Value): Value => apply(rowProductOp, [x, y], {})[0]!;

export const rowOps = { scaleRowsOp, rowProductOp };
