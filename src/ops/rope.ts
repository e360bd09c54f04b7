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
  /** Feature 2i pairs with 2i + 1; undefined: i with i + headDim / 2, as in Hugging Face's Llama. */
  readonly interleaved?: true;
}

interface Rotation extends RopeAttrs {
  /** Rotate back: the gradient of rotating. */
  readonly inverse: boolean;
}

/** Which pair of a head's features one is in, whether it is the first of it, and the other one. */
function pairOf(feature: number, headDim: number, interleaved = false) {
  const half = headDim / 2;
  return interleaved
    ? { pair: Math.floor(feature / 2), isFirst: feature % 2 === 0, other: feature + 1 - 2 * (feature % 2) }
    : { pair: feature % half, isFirst: feature < half, other: (feature + half) % headDim };
}

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
    lower: (onnx, [x, positions], { frequencies, maxPositions, interleaved, inverse }, node) => {
      const [batch, length, heads, headDim] = node.inputs[0]!.shape as [number, number, number, number];
      const half = headDim / 2;
      const sign = inverse ? -1 : 1;
      /** A row for each position, with a number for every column, of whose pair it is. */
      const table = (name: string, pairs: readonly number[], entry: (angle: number, column: number) => number) => {
        const width = pairs.length;
        const at = (i: number) => entry(Math.floor(i / width) * frequencies[pairs[i % width]!]!, i % width);
        const data = () => Float64Array.from({ length: maxPositions * width }, (_, i) => at(i));
        return onnx.table(`${name} ${maxPositions} ${frequencies} of ${pairs}`, data, [maxPositions, width]);
      };
      if (onnx.fused) {
        const flat = onnx.reshape(x!, [batch, length, heads * headDim]);
        const ids = onnx.add('Cast', [positions!], { to: int64 });
        const pairs = [...frequencies.keys()];
        const caches = [table('cos', pairs, Math.cos), table(`sin ${sign}`, pairs, (angle) => sign * Math.sin(angle))];
        const [rotated] = onnx.addMany(
          'RotaryEmbedding',
          [flat, ids, ...caches],
          1,
          { interleaved: interleaved ? 1 : 0 },
          'com.microsoft',
        );
        return [onnx.reshape(rotated!, [batch, length, heads, headDim])];
      }
      const features = Array.from({ length: headDim }, (_, feature) => pairOf(feature, headDim, interleaved));
      const pairs = features.map(({ pair }) => pair);
      const rowsOf = (rows: string) =>
        onnx.reshape(onnx.add('Gather', [rows, positions!], { axis: 0 }), [batch, length, 1, headDim]);
      const swap = (of: string, middle: number, end: number) =>
        onnx.add('Concat', [onnx.slice(of, 3, middle, end), onnx.slice(of, 3, 0, middle)], { axis: 3 });
      const swapped = interleaved
        ? onnx.reshape(swap(onnx.reshape(x!, [batch, length, heads * half, 2]), 1, 2), [batch, length, heads, headDim])
        : swap(x!, half, headDim);
      const cos = rowsOf(table('cos', pairs, Math.cos));
      const sin = rowsOf(
        table(`sin ${sign}`, pairs, (angle, feature) => (features[feature]!.isFirst ? -sign : sign) * Math.sin(angle)),
      );
      return [onnx.add('Add', [onnx.add('Mul', [x!, cos]), onnx.add('Mul', [swapped, sin])])];
    },
  },
  reference: ([x, positions], { frequencies, interleaved, inverse }) => {
    const [, , heads, headDim] = x!.shape as [number, number, number, number];
    return [
      ndarray(x!.shape, (index) => {
        const feature = index % headDim;
        const { pair, isFirst, other } = pairOf(feature, headDim, interleaved);
        const position = positions!.data[Math.floor(index / headDim / heads)]!;
        const angle = position * frequencies[pair]! * (inverse ? -1 : 1);
        const turned = x!.data[index - feature + other]! * (isFirst ? -1 : 1);
        return x!.data[index]! * Math.cos(angle) + turned * Math.sin(angle);
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
