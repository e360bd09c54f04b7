// Splitting features into heads, and rotary position embedding.

import type { Value } from '../program/program.ts';
import { expectShape, type Op } from '../program/program.ts';
import { apply } from '../program/trace.ts';
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
  execution: { by: 'onnx', lower: (onnx, [x], _, node) => [onnx.reshape(x!, node.outputs[0]!.shape)] },
  reference: ([x]) => [{ shape: [x!.shape[0]!, x!.shape[1]!, x!.shape[2]! * x!.shape[3]!], data: x!.data.slice() }],
};

export interface RopeAttrs {
  /** Angle per position of each pair of features: headDim / 2 numbers (see `model/rope.ts`). */
  readonly frequencies: readonly number[];
  /** Rotate back: the gradient of rotating. */
  readonly inverse: boolean;
}

/** Feature i pairs with i + headDim/2, as in Hugging Face's Llama; position = index in the sequence. */
const ropeOp: Op<RopeAttrs> = {
  name: 'rope',
  shape: ([x], { frequencies }) => {
    expectShape(
      x!.shape[3] === 2 * frequencies.length,
      `${frequencies.length} frequencies for heads of ${x!.shape[3]}; give one for each pair of features`,
    );
    return [float(x!.shape)];
  },
  typing: { dims: 'b s! h d! -> b s h d', linear: 'all' },
  vjp: ({ node, gradients: [g] }) => [apply(ropeOp, [g!], { ...node.attrs, inverse: !node.attrs.inverse })[0]],
  execution: {
    by: 'onnx',
    lower: (onnx, [x], { frequencies, inverse }, node) => {
      const [batch, length, heads, headDim] = node.inputs[0]!.shape as [number, number, number, number];
      const half = headDim / 2;
      const table = (f: (angle: number, dim: number) => number, width: number, shape: readonly number[]) => {
        const entry = (i: number) => f(Math.floor(i / width) * frequencies[(i % width) % half]!, i % width);
        return onnx.floats(
          Float64Array.from({ length: length * width }, (_, i) => entry(i)),
          shape,
        );
      };
      const sign = inverse ? -1 : 1;
      if (onnx.fused) {
        const cache = (f: (angle: number) => number) => table(f, half, [length, half]);
        const flat = onnx.reshape(x!, [batch, length, heads * headDim]);
        const inputs = [flat, onnx.int64s(0), cache(Math.cos), cache((angle) => sign * Math.sin(angle))];
        return [
          onnx.reshape(onnx.addMany('RotaryEmbedding', inputs, 1, {}, 'com.microsoft')[0]!, [
            batch,
            length,
            heads,
            headDim,
          ]),
        ];
      }
      const whole = (f: (angle: number, dim: number) => number) => table(f, headDim, [1, length, 1, headDim]);
      const swapped = onnx.add('Concat', [onnx.slice(x!, 3, half, headDim), onnx.slice(x!, 3, 0, half)], { axis: 3 });
      const cos = whole((angle) => Math.cos(angle));
      const sin = whole((angle, dim) => (dim < half ? -sign : sign) * Math.sin(angle));
      return [onnx.add('Add', [onnx.add('Mul', [x!, cos]), onnx.add('Mul', [swapped, sin])])];
    },
  },
  reference: ([x], { frequencies, inverse }) => {
    const [, length, heads, headDim] = x!.shape as [number, number, number, number];
    const half = headDim / 2;
    return [
      ndarray(x!.shape, (index) => {
        const dim = index % headDim;
        const position = Math.floor(index / headDim / heads) % length;
        const angle = position * frequencies[dim % half]! * (inverse ? -1 : 1);
        const other = dim < half ? -x!.data[index + half]! : x!.data[index - half]!;
        return x!.data[index]! * Math.cos(angle) + other * Math.sin(angle);
      }),
    ];
  },
};

/** [b, s, heads·headDim] -> [b, s, heads, headDim]. */
export const splitHeads = (x: Value, headDim: number): Value => apply(splitHeadsOp, [x], { headDim })[0]!;
/** [b, s, heads, headDim] -> [b, s, heads·headDim]. */
export const mergeHeads = (x: Value): Value => apply(mergeHeadsOp, [x], {})[0]!;
/** Rotates each pair of features of [b, s, heads, headDim] by position · frequency. */
export const rope = (x: Value, frequencies: readonly number[]): Value =>
  apply(ropeOp, [x], { frequencies, inverse: false })[0]!;

export const headOps = { splitHeadsOp, mergeHeadsOp, ropeOp };
