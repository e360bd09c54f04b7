// Features of heads in two parts, such as those that are rotated and those that are not: cut apart, and put side by side.
import { expectShape, type NdArray, type Op, type TensorShape, type Value } from '../program/program.ts';
import { apply } from '../program/trace.ts';
import { float, lastDim, ndarray } from './shapes.ts';

type FourDims = readonly [number, number, number, number];
const fourDims = ({ shape }: TensorShape) => shape as FourDims;

interface Cut {
  /** Features of the first part. */
  readonly first: number;
}

/** Batch, tokens and heads of features that can be cut, and how many the second part has. */
function cutSizes(x: TensorShape, { first }: Cut) {
  const [batch, length, heads, features] = fourDims(x);
  expectShape(
    x.shape.length === 4 && first > 0 && first < features,
    `${first} features cannot be cut from [${x.shape}]; give [b, s, heads, features] and fewer than all of them`,
  );
  return { batch, length, heads, rest: features - first };
}

/** x [b, s, heads, d + e] -> [b, s, heads, d], [b, s, heads, e]. */
const splitFeaturesOp: Op<Cut> = {
  name: 'splitFeatures',
  shape: ([x], cut) => {
    const { batch, length, heads, rest } = cutSizes(x!, cut);
    return [float([batch, length, heads, cut.first]), float([batch, length, heads, rest])];
  },
  typing: { dims: 'b s h f! -> b s h d, b s h e', linear: 'all' },
  differentiable: [0, 1],
  vjp: ({ node, gradients: [g, h] }) => {
    const [first, rest] = node.outputs.map(({ shape }) => lastDim(shape)) as [number, number];
    if (g && h) return [joinFeatures(g, h)];
    const [alone, before, after] = g ? [g, 0, rest] : [h!, first, 0];
    return [apply(padFeaturesOp, [alone], { before, after })[0]];
  },
  execution: {
    by: 'onnx',
    lower: (onnx, [x], { first }, { inputs }) => [
      onnx.slice(x!, 3, 0, first),
      onnx.slice(x!, 3, first, lastDim(inputs[0]!.shape)),
    ],
  },
  reference: ([x], { first }) => {
    const features = lastDim(x!.shape);
    const part = (start: number, width: number) =>
      ndarray(
        [...x!.shape.slice(0, 3), width],
        (i) => x!.data[Math.floor(i / width) * features + start + (i % width)]!,
      );
    return [part(0, first), part(first, features - first)];
  },
};

/** As splitFeatures, but the second part is summed over heads [b, s, 1, e]: the gradient of one that all heads share. */
const splitSharedOp: Op<Cut> = {
  name: 'splitShared',
  shape: ([x], cut) => {
    const { batch, length, heads, rest } = cutSizes(x!, cut);
    return [float([batch, length, heads, cut.first]), float([batch, length, 1, rest])];
  },
  typing: { dims: 'b s h f! -> b s h d, b s 1 e', linear: 'all' },
  execution: {
    by: 'onnx',
    lower: (onnx, [x], { first }, { inputs }) => [
      onnx.slice(x!, 3, 0, first),
      onnx.add('ReduceSum', [onnx.slice(x!, 3, first, lastDim(inputs[0]!.shape)), onnx.int64s(2)]),
    ],
  },
  reference: ([x], cut) => {
    const [own, each] = splitFeaturesOp.reference!([x!], cut) as [NdArray, NdArray];
    const { batch, length, heads, rest } = cutSizes(float(x!.shape), cut);
    const shared = ndarray([batch, length, 1, rest], () => 0);
    for (const [i, value] of each.data.entries())
      shared.data[Math.floor(i / (heads * rest)) * rest + (i % rest)]! += value;
    return [own, shared];
  },
};

/** Zeros before and after the features of x [b, s, heads, d]: the gradient of a part of them. */
const padFeaturesOp: Op<{ readonly before: number; readonly after: number }> = {
  name: 'padFeatures',
  shape: ([x], { before, after }) => [float([...x!.shape.slice(0, 3), before + x!.shape[3]! + after])],
  typing: { dims: 'b s h d! -> b s h f', linear: 'all' },
  execution: {
    by: 'onnx',
    lower: (onnx, [x], { before, after }) => [onnx.add('Pad', [x!, onnx.int64s(0, 0, 0, before, 0, 0, 0, after)])],
  },
  reference: ([x], { before, after }) => {
    const own = lastDim(x!.shape);
    const width = before + own + after;
    return [
      ndarray([...x!.shape.slice(0, 3), width], (i) => {
        const feature = (i % width) - before;
        return feature < 0 || feature >= own ? 0 : x!.data[Math.floor(i / width) * own + feature]!;
      }),
    ];
  },
};

/** x [b, s, heads, d] and y [b, s, heads, e], or `shared` [b, s, 1, e] -> [b, s, heads, d + e]. */
const joinFeaturesOp: Op<{ readonly shared: boolean }> = {
  name: 'joinFeatures',
  shape: ([x, y], { shared }) => {
    const [batch, length, heads, first] = fourDims(x!);
    const rest = lastDim(y!.shape);
    const wanted = [batch, length, shared ? 1 : heads, rest];
    expectShape(
      x!.shape.length === 4 && `${y!.shape}` === `${wanted}`,
      `[${y!.shape}] does not go beside the features of [${x!.shape}]; make it [${wanted}]`,
    );
    return [float([batch, length, heads, first + rest])];
  },
  typing: (_, { shared }) => ({ dims: `b s h d!, b s ${shared ? '1' : 'h'} e! -> b s h f`, linear: 'all' }),
  vjp: ({ node, gradients: [g] }) =>
    apply(node.attrs.shared ? splitSharedOp : splitFeaturesOp, [g!], { first: lastDim(node.inputs[0]!.shape) }),
  execution: {
    by: 'onnx',
    lower: (onnx, [x, y], { shared }, { inputs }) => {
      const [[batch, length, heads], [, , , rest]] = inputs.map(fourDims) as [FourDims, FourDims];
      const each = shared ? onnx.add('Expand', [y!, onnx.int64s(batch, length, heads, rest)]) : y!;
      return [onnx.add('Concat', [x!, each], { axis: 3 })];
    },
  },
  reference: ([x, y], { shared }) => {
    const [, , heads, first] = fourDims(float(x!.shape));
    const rest = lastDim(y!.shape);
    return [
      ndarray([...x!.shape.slice(0, 3), first + rest], (i) => {
        const [row, feature] = [Math.floor(i / (first + rest)), i % (first + rest)];
        if (feature < first) return x!.data[row * first + feature]!;
        return y!.data[(shared ? Math.floor(row / heads) : row) * rest + feature - first]!;
      }),
    ];
  },
};

/** x [b, s, heads, features] -> its `first` features and the others. */
export function splitFeatures(x: Value, first: number): [Value, Value] {
  const [a, b] = apply(splitFeaturesOp, [x], { first });
  return [a!, b!];
}
/** x [b, s, heads, d] and y [b, s, heads, e] -> [b, s, heads, d + e]. */
export const joinFeatures = (x: Value, y: Value): Value => apply(joinFeaturesOp, [x, y], { shared: false })[0]!;
/** x [b, s, heads, d] and what all heads share, y [b, s, 1, e] -> [b, s, heads, d + e]. */
export const joinShared = (x: Value, y: Value): Value => apply(joinFeaturesOp, [x, y], { shared: true })[0]!;

export const featureOps = { splitFeaturesOp, splitSharedOp, padFeaturesOp, joinFeaturesOp };
