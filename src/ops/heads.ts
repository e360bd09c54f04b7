// Features split into heads, and heads before tokens, as attention reads them.

import { fail } from '../errors.ts';
import type { Value } from '../program/program.ts';
import { expectShape, type NdArray, type Op, type Shape } from '../program/program.ts';
import { apply } from '../program/trace.ts';
import { typedAxes } from '../program/types.ts';
import { partStart } from './own-part.ts';
import { float, lastDim, ndarray } from './shapes.ts';

const splitHeadsOp: Op<{ headDim: number }> = {
  name: 'splitHeads',
  shape: ([x], { headDim }) => {
    const features = lastDim(x!.shape);
    expectShape(
      x!.shape.length === 3 && features % headDim === 0,
      `${features} features are not whole heads of ${headDim}; cut projections by heads: features must be a multiple of ${headDim}`,
    );
    return [float([x!.shape[0]!, x!.shape[1]!, features / headDim, headDim])];
  },
  typing: { dims: 'b s h -> b s h d', linear: 'all' },
  vjp: ({ gradients: [g] }) => [mergeHeads(g!)],
  kernel: () => undefined,
  execution: { by: 'onnx', lower: (onnx, [x], _, node) => [onnx.reshape(x!, node.outputs[0]!.shape)] },
  reference: ([x], { headDim }) => [
    { shape: [x!.shape[0]!, x!.shape[1]!, x!.shape[2]! / headDim, headDim], data: x!.data.slice() },
  ],
};

const mergeHeadsOp: Op = {
  name: 'mergeHeads',
  shape: ([x]) => {
    expectShape(x!.shape.length === 4, `needs [b, s, heads, headDim], got [${x!.shape}]`);
    return [float([x!.shape[0]!, x!.shape[1]!, x!.shape[2]! * x!.shape[3]!])];
  },
  typing: { dims: 'b s h d! -> b s h', linear: 'all' },
  vjp: ({ node, gradients: [g] }) => [splitHeads(g!, node.inputs[0]!.shape[3]!)],
  kernel: () => undefined,
  execution: { by: 'onnx', lower: (onnx, [x], _, node) => [onnx.reshape(x!, node.outputs[0]!.shape)] },
  reference: ([x]) => [{ shape: [x!.shape[0]!, x!.shape[1]!, x!.shape[2]! * x!.shape[3]!], data: x!.data.slice() }],
};

/** The `group` query heads that share a key-value head stay together behind the tokens. */
const headsFirstOp: Op<{ group: number }> = {
  name: 'headsFirst',
  shape: ([x], { group }) => {
    const [batch, length, heads, headDim] = x!.shape as [number, number, number, number];
    expectShape(x!.shape.length === 4, `needs [b, s, heads, headDim], got [${x!.shape}]`);
    expectShape(heads % group === 0, `${heads} heads are not whole groups of ${group}; make heads a multiple of it`);
    return [float([batch, heads / group, length, group, headDim])];
  },
  typing: { dims: 'b s h d -> b h s g d', linear: 'all' },
  vjp: ({ gradients: [g] }) => [headsLast(g!)],
  execution: {
    by: 'onnx',
    lower: (onnx, [x], { group }, node) => {
      const [batch, length, heads, headDim] = node.inputs[0]!.shape as [number, number, number, number];
      return [onnx.transpose(onnx.reshape(x!, [batch, length, heads / group, group, headDim]), [0, 2, 1, 3, 4])];
    },
  },
  reference: ([x], { group }) => {
    const [batch, length, heads, headDim] = x!.shape as [number, number, number, number];
    return [
      swapped(x!, [batch, length, heads / group, group * headDim], [batch, heads / group, length, group, headDim]),
    ];
  },
};

const headsLastOp: Op = {
  name: 'headsLast',
  shape: ([x]) => {
    expectShape(x!.shape.length === 5, `needs [b, kvHeads, s, group, headDim], got [${x!.shape}]`);
    const [batch, kvHeads, length, group, headDim] = x!.shape as [number, number, number, number, number];
    return [float([batch, length, kvHeads * group, headDim])];
  },
  typing: { dims: 'b h s g! d -> b s h d', linear: 'all' },
  vjp: ({ node, gradients: [g] }) => [headsFirst(g!, node.inputs[0]!.shape[3]!)],
  execution: {
    by: 'onnx',
    lower: (onnx, [x], _, node) => [onnx.reshape(onnx.transpose(x!, [0, 2, 1, 3, 4]), node.outputs[0]!.shape)],
  },
  reference: ([x]) => {
    const [batch, kvHeads, length, group, headDim] = x!.shape as [number, number, number, number, number];
    return [swapped(x!, [batch, kvHeads, length, group * headDim], [batch, length, kvHeads * group, headDim])];
  },
};

/** x as [a, b, c, d] with its middle dims swapped, in a shape of as many numbers. */
function swapped(x: NdArray, [, b, c, d]: readonly [number, number, number, number], shape: Shape): NdArray {
  return ndarray(shape, (index) => {
    const [at, left] = [index % d, Math.floor(index / d)];
    const [second, first, outer] = [left % b, Math.floor(left / b) % c, Math.floor(left / b / c)];
    return x.data[((outer * b + second) * c + first) * d + at]!;
  });
}

/** [b, s, heads·headDim] -> [b, s, heads, headDim]. Of parts that may overlap (O2), each must begin at a head. */
export function splitHeads(x: Value, headDim: number): Value {
  for (const axis of typedAxes) {
    const start = x.types[axis] === 'O2' ? partStart(x, axis, 2) : undefined;
    if (start !== undefined && start % headDim !== 0)
      fail('TYPE_MISMATCH', {
        op: splitHeadsOp.name,
        site: x.trace.site,
        axis,
        problem: `this rank's part of operand 0 begins at feature ${start}, inside of a head of ${headDim}`,
        fix: `cut whole heads: let the part that ownSlice keeps start at a multiple of ${headDim}`,
      });
  }
  return apply(splitHeadsOp, [x], { headDim })[0]!;
}
/** [b, s, heads, headDim] -> [b, s, heads·headDim]. */
export const mergeHeads = (x: Value): Value => apply(mergeHeadsOp, [x], {})[0]!;
/** [b, s, heads, headDim] -> [b, heads / group, s, group, headDim]. */
export const headsFirst = (x: Value, group: number): Value => apply(headsFirstOp, [x], { group })[0]!;
/** [b, kvHeads, s, group, headDim] -> [b, s, kvHeads · group, headDim]. */
export const headsLast = (x: Value): Value => apply(headsLastOp, [x], {})[0]!;

export const headOps = { splitHeadsOp, mergeHeadsOp, headsFirstOp, headsLastOp };
