// Shapes of every tensor of a lowered graph: what ONNX Runtime infers, for the operators that ops lower to.
import type { DimSizes } from './onnx-builder.ts';
import type { OnnxGraph, OnnxNode, OnnxTensorInfo, OnnxType } from './onnx-graph.ts';

export interface OnnxTensor {
  readonly type: OnnxType;
  readonly shape: readonly number[];
}

type Shape = readonly number[];

function sized({ name, type, shape }: OnnxTensorInfo, sizes: DimSizes): OnnxTensor {
  return {
    type,
    shape: shape.map((dim) => {
      const size = typeof dim === 'string' ? sizes[dim] : dim;
      if (size === undefined) throw new Error(`dim ${dim} of ${name} has another size in every run`);
      return size;
    }),
  };
}

interface Rules {
  readonly inputs: readonly OnnxTensor[];
  /** The numbers of a constant input. */
  readonly numbers: (index: number) => readonly number[];
  readonly node: OnnxNode;
}

/**
 * Tensors by name: inputs, constants and results, where named dims have these sizes. Throws for an operator that it does not know, and
 * for dims without a size.
 */
export function inferShapes(
  { inputs, constants, nodes }: OnnxGraph,
  sizes: DimSizes = {},
): ReadonlyMap<string, OnnxTensor> {
  const tensors = new Map([...inputs, ...constants].map((tensor) => [tensor.name, sized(tensor, sizes)]));
  const byName = new Map(constants.map((constant) => [constant.name, constant]));
  for (const node of nodes) {
    const given = node.inputs.filter((name) => name !== '').map((name) => tensors.get(name)!);
    const numbers = (index: number) => Array.from(byName.get(node.inputs[index] ?? '')?.data ?? []);
    const shapes = shapesOf({ inputs: given, numbers, node });
    const type = typeOf(node, given);
    for (const [index, name] of node.outputs.entries()) tensors.set(name, { type, shape: shapes[index]! });
  }
  return tensors;
}

const comparisons = new Set(['And', 'Less', 'GreaterOrEqual']);

/** By TensorProto.DataType. */
const types: Readonly<Record<number, OnnxType>> = { 1: 'float32', 6: 'int32', 7: 'int64', 9: 'bool', 11: 'float64' };

function typeOf({ op, attributes }: OnnxNode, inputs: readonly OnnxTensor[]): OnnxType {
  if (comparisons.has(op)) return 'bool';
  if (op === 'Cast') return types[Number(attributes.to)]!;
  return inputs[op === 'Where' ? 1 : 0]!.type;
}

function shapesOf(rules: Rules): Shape[] {
  const { inputs, numbers, node } = rules;
  const [first] = inputs.map(({ shape }) => shape) as [Shape];
  const axis = Number(node.attributes.axis ?? 0);
  switch (node.op) {
    case 'Add':
    case 'Sub':
    case 'Mul':
    case 'Div':
    case 'Max':
    case 'Min':
    case 'Sum':
    case 'Where':
    case 'And':
    case 'Less':
    case 'GreaterOrEqual':
      return [broadcast(inputs.map(({ shape }) => shape))];
    case 'Cast':
    case 'Exp':
    case 'Log':
    case 'Neg':
    case 'Sqrt':
    case 'Reciprocal':
    case 'Sigmoid':
    case 'Softmax':
    case 'Identity':
    case 'RotaryEmbedding':
    case 'ScatterElements':
      return [first];
    case 'Gather':
      return [[...first.slice(0, axis), ...inputs[1]!.shape, ...first.slice(axis + 1)]];
    case 'GatherElements':
      return [inputs[1]!.shape];
    case 'MatMul':
    case 'FusedMatMul':
    case 'Gemm':
      return [product(rules)];
    case 'FusedConv':
      return [[first[0]!, inputs[1]!.shape[0]!, first[2]!]];
    case 'Transpose':
      return [(node.attributes.perm as readonly number[]).map((dim) => first[dim]!)];
    case 'Reshape':
      return [reshaped(first, numbers(1))];
    case 'Slice':
      return [sliced(first, rules)];
    case 'Concat':
      return [
        withDim(
          first,
          axis,
          inputs.reduce((sum, { shape }) => sum + shape[axis]!, 0),
        ),
      ];
    case 'Split':
      return numbers(1).map((size) => withDim(first, axis, size));
    case 'Pad':
      return [first.map((size, dim) => size + numbers(1)[dim]! + numbers(1)[dim + first.length]!)];
    case 'Expand':
      return [broadcast([first, numbers(1)])];
    case 'ReduceMax':
    case 'ReduceMean':
    case 'ReduceSum':
    case 'ReduceSumSquare':
      return [reduced(first, numbers(1), node.attributes.keepdims !== 0)];
    case 'SimplifiedLayerNormalization':
      return [first, withDim(first, first.length - 1, 1)];
    default:
      throw new Error(`the shape of ${node.op}'s result is not known`);
  }
}

const withDim = (shape: Shape, dim: number, size: number): Shape => shape.map((n, i) => (i === dim ? size : n));

function broadcast(shapes: readonly Shape[]): Shape {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, dim) =>
    Math.max(...shapes.map((shape) => shape[dim - rank + shape.length] ?? 1)),
  );
}

function product({ inputs, node: { attributes } }: Rules): Shape {
  const [a, b] = inputs.map(({ shape }) => shape) as [Shape, Shape];
  const m = a[a.length - (attributes.transA ? 1 : 2)]!;
  const n = b[b.length - (attributes.transB ? 2 : 1)]!;
  return [...broadcast([a.slice(0, -2), b.slice(0, -2)]), m, n];
}

function reshaped(from: Shape, to: readonly number[]): Shape {
  const known = to.reduce((all, size) => (size === -1 ? all : all * size), 1);
  return to.map((size) => (size === -1 ? from.reduce((all, n) => all * n, 1) / known : size));
}

function sliced(shape: Shape, { numbers }: Rules): Shape {
  const [starts, ends, dims] = [numbers(1), numbers(2), numbers(3)];
  return shape.map((size, dim) => {
    const at = dims.indexOf(dim);
    return at === -1 ? size : Math.min(ends[at]!, size) - starts[at]!;
  });
}

function reduced(shape: Shape, axes: readonly number[], keep: boolean): Shape {
  const dims = new Set(axes.map((axis) => (axis < 0 ? axis + shape.length : axis)));
  return shape.flatMap((size, dim) => (dims.has(dim) ? (keep ? [1] : []) : [size]));
}
