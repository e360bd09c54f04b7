// Rotary position embedding of tokens that say where they stand.

import type { Value } from '../program/program.ts';
import { expectShape, type Op } from '../program/program.ts';
import { apply } from '../program/trace.ts';
import { float, ndarray } from './shapes.ts';

export interface RopeAttrs {
  /** Angle per position of each pair of features: headDim / 2 numbers (see `model/rope.ts`). */
  readonly frequencies: readonly number[];
  /** Positions are below it: so many rows have the tables of a session. */
  readonly maxPositions: number;
}

interface Rotation extends RopeAttrs {
  /** Rotate back: the gradient of rotating. */
  readonly inverse: boolean;
}

/** Feature i pairs with i + headDim/2, as in Hugging Face's Llama. */
const ropeOp: Op<Rotation> = {
  name: 'rope',
  shape: ([x, positions], { frequencies }) => {
    expectShape(
      x!.shape[3] === 2 * frequencies.length,
      `${frequencies.length} frequencies for heads of ${x!.shape[3]}; give one for each pair of features`,
    );
    expectShape(
      positions!.dtype === 'int' && positions!.shape.join() === x!.shape.slice(0, 2).join(),
      `needs positions [${x!.shape.slice(0, 2)}] of type int, got ${positions!.dtype} [${positions!.shape}]`,
    );
    return [float(x!.shape)];
  },
  typing: { dims: 'b s h d!, b s -> b s h d', linear: [0] },
  vjp: ({ node, gradients: [g] }) => [
    apply(ropeOp, [g!, node.inputs[1]!], { ...node.attrs, inverse: !node.attrs.inverse })[0],
  ],
  execution: {
    by: 'onnx',
    lower: (onnx, [x, positions], { frequencies, maxPositions, inverse }, node) => {
      const [batch, length, heads, headDim] = node.inputs[0]!.shape as [number, number, number, number];
      const half = headDim / 2;
      const table = (name: string, width: number, entry: (angle: number, dim: number) => number) => {
        const at = (i: number) => entry(Math.floor(i / width) * frequencies[(i % width) % half]!, i % width);
        const data = () => Float64Array.from({ length: maxPositions * width }, (_, i) => at(i));
        return onnx.table(`${name} ${maxPositions} ${frequencies}`, data, [maxPositions, width]);
      };
      const sign = inverse ? -1 : 1;
      if (onnx.fused) {
        const flat = onnx.reshape(x!, [batch, length, heads * headDim]);
        const ids = onnx.add('Cast', [positions!], { to: int64 });
        const caches = [table('cos', half, Math.cos), table(`sin ${sign}`, half, (angle) => sign * Math.sin(angle))];
        const [rotated] = onnx.addMany('RotaryEmbedding', [flat, ids, ...caches], 1, {}, 'com.microsoft');
        return [onnx.reshape(rotated!, [batch, length, heads, headDim])];
      }
      const rowsOf = (rows: string) =>
        onnx.reshape(onnx.add('Gather', [rows, positions!], { axis: 0 }), [batch, length, 1, headDim]);
      const swapped = onnx.add('Concat', [onnx.slice(x!, 3, half, headDim), onnx.slice(x!, 3, 0, half)], { axis: 3 });
      const cos = rowsOf(table('cos', headDim, (angle) => Math.cos(angle)));
      const sin = rowsOf(table(`sin ${sign}`, headDim, (angle, dim) => (dim < half ? -sign : sign) * Math.sin(angle)));
      return [onnx.add('Add', [onnx.add('Mul', [x!, cos]), onnx.add('Mul', [swapped, sin])])];
    },
  },
  reference: ([x, positions], { frequencies, inverse }) => {
    const [, , heads, headDim] = x!.shape as [number, number, number, number];
    const half = headDim / 2;
    return [
      ndarray(x!.shape, (index) => {
        const dim = index % headDim;
        const position = positions!.data[Math.floor(index / headDim / heads)]!;
        const angle = position * frequencies[dim % half]! * (inverse ? -1 : 1);
        const other = dim < half ? -x!.data[index + half]! : x!.data[index - half]!;
        return x!.data[index]! * Math.cos(angle) + other * Math.sin(angle);
      }),
    ];
  },
};

/** TensorProto.DataType INT64. */
const int64 = 7;

/** Rotates each pair of features of x [b, s, heads, headDim] by position · frequency; positions are [b, s] integers. */
export const rope = (x: Value, positions: Value, attrs: RopeAttrs): Value =>
  apply(ropeOp, [x, positions], { ...attrs, inverse: false })[0]!;

export const ropeOps = { ropeOp };
