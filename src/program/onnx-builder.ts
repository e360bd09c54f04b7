// Collects the ONNX nodes of a segment while its ops are lowered.
import type { Attribute, OnnxConstant, OnnxDim, OnnxGraph, OnnxNode, OnnxTensorInfo } from './onnx-graph.ts';

export type Precision = 'f32' | 'f64';

export interface OnnxBuilder {
  readonly precision: Precision;
  /** ONNX Runtime's own fused operators (domain com.microsoft) are there: in f32. Elsewhere standard ones are composed. */
  readonly fused: boolean;
  /** Adds a node with one result and returns the result's name. */
  add(op: string, inputs: readonly string[], attributes?: Readonly<Record<string, Attribute>>): string;
  /** Adds a node with `count` results; `domain` is empty for standard ONNX. */
  addMany(
    op: string,
    inputs: readonly string[],
    count: number,
    attributes?: Readonly<Record<string, Attribute>>,
    domain?: string,
  ): string[];
  /** A · B of A [.., m, k] and a matrix B [k, n], or [n, k] when it is stored transposed; counted as 2·m·k·n FLOPs. */
  matMul(a: string, b: string, size: MatMulSize, stored?: 'transposed'): string;
  /** A · B of matrices, times `scale`, plus `add` or less `subtract` (which broadcast to the result). Counted likewise. */
  gemm(a: string, b: string, size: MatMulSize, options?: GemmOptions): string;
  reshape(x: string, shape: readonly number[]): string;
  transpose(x: string, order: readonly number[]): string;
  /** Elements [start, end) of one dim. */
  slice(x: string, dim: number, start: number, end: number): string;
  /** A float constant. */
  floats(data: readonly number[] | Float64Array, shape: readonly number[]): string;
  /** A float constant that is made once for all who ask for it by this name. */
  table(name: string, data: () => Float64Array, shape: readonly number[]): string;
  /** A float constant of one element that broadcasts. */
  scalar(value: number): string;
  /** A 1-D int64 constant (shapes, axes). */
  int64s(...values: number[]): string;
  /** An int32 constant of one element. */
  int32(value: number): string;
}

/** Rows, summed dim and columns of a product. */
export interface MatMulSize {
  readonly m: OnnxDim;
  readonly k: OnnxDim;
  readonly n: OnnxDim;
}
export interface GemmOptions {
  /** The operand that is stored transposed. */
  readonly transposed?: 'a' | 'b';
  readonly scale?: number;
  readonly add?: string;
  readonly subtract?: string;
}

/** Sizes of the dims that a graph names. */
export type DimSizes = Readonly<Record<string, number>>;

/** A builder and what has been built so far. */
export interface GraphUnderConstruction {
  readonly onnx: OnnxBuilder;
  /** Matrix-multiply FLOPs of the nodes added, counted from the shapes they were given. */
  readonly flops: (sizes?: DimSizes) => number;
  readonly finish: (
    inputs: readonly OnnxTensorInfo[],
    outputs: readonly (OnnxTensorInfo & { from: string })[],
  ) => OnnxGraph;
}

/**
 * Gemm transposes A anew for every 128 columns of B: 10 to 19 % of its time. Once before it is cheaper where there are many, or
 * where rows are few enough to lie near each other in the cache (measured with m, n and k from 260 to 2048).
 */
const transposesFirst = ({ k, n }: MatMulSize): boolean =>
  typeof k === 'number' && typeof n === 'number' && (n >= 1024 || k <= 1024);

type SizedProduct = Readonly<Record<keyof MatMulSize, number>>;
const isSized = (size: MatMulSize): size is SizedProduct => Object.values(size).every((dim) => typeof dim === 'number');

export function buildGraph(precision: Precision): GraphUnderConstruction {
  const nodes: OnnxNode[] = [];
  /** What matrices were before they were reshaped to two dims. */
  const batches = new Map<string, { readonly name: string; readonly shape: readonly OnnxDim[] }>();
  const constants = new Map<string, OnnxConstant>();
  const float = precision === 'f32' ? 'float32' : 'float64';
  let count = 0;
  const products: MatMulSize[] = [];

  const constant = (type: OnnxConstant['type'], data: OnnxConstant['data'], shape: readonly number[]): string => {
    const key = data.length <= 8 ? `${type}[${shape}]${Array.from(data)}` : `${type}#${constants.size}`;
    const known = constants.get(key);
    if (known) return known.name;
    const name = `c${constants.size}`;
    constants.set(key, { name, type, shape, data });
    return name;
  };
  const addMany: OnnxBuilder['addMany'] = (op, inputs, results, attributes = {}, domain = '') => {
    const outputs = Array.from({ length: results }, () => `t${count++}`);
    nodes.push({ op, domain, inputs, outputs, attributes });
    return outputs;
  };
  const add: OnnxBuilder['add'] = (op, inputs, attributes) => addMany(op, inputs, 1, attributes)[0]!;
  const int64s = (...values: number[]) => constant('int64', values, [values.length]);

  const fused = precision === 'f32';

  /** Gemm copies what it adds to, even where that lies under its result: up to an eighth of its time. A convolution does not. */
  const addProduct = (a: string, b: string, { m, k, n }: SizedProduct, plus: string): string => {
    const batch = [1, m, n];
    const operands = [onnx.reshape(b, [1, k, n]), onnx.reshape(a, [m, k, 1]), '', onnx.reshape(plus, batch)];
    const name = addMany('FusedConv', operands, 1, { kernel_shape: [1] }, 'com.microsoft')[0]!;
    const result = onnx.reshape(name, [m, n]);
    batches.set(result, { name, shape: batch });
    return result;
  };
  const onnx: OnnxBuilder = {
    precision,
    fused,
    add,
    addMany,
    matMul(a, b, size, stored) {
      products.push(size);
      if (!stored) return add('MatMul', [a, b]);
      if (fused) return addMany('FusedMatMul', [a, b], 1, { transB: 1 }, 'com.microsoft')[0]!;
      return add('MatMul', [a, add('Transpose', [b], { perm: [1, 0] })]);
    },
    gemm(a, b, size, { transposed, scale = 1, add: plus, subtract } = {}) {
      products.push(size);
      // A node's own factor is a 32-bit float.
      const exact = fused || scale === 1;
      const factor = exact ? b : add('Mul', [b, constant(float, [scale], [])]);
      const flips = transposed === 'a' && transposesFirst(size);
      const left = flips ? add('Transpose', [a], { perm: [1, 0] }) : a;
      if (fused && plus !== undefined && scale === 1 && (transposed === undefined || flips) && isSized(size))
        return addProduct(left, b, size, plus);
      const other = plus ?? subtract;
      return add('Gemm', other === undefined ? [left, factor] : [left, factor, other], {
        ...(transposed === 'a' && !flips ? { transA: 1 } : {}),
        ...(transposed === 'b' ? { transB: 1 } : {}),
        ...(exact && scale !== 1 ? { alpha: { float: scale } } : {}),
        ...(subtract === undefined ? {} : { beta: { float: -1 } }),
      });
    },
    reshape: (x, shape) => add('Reshape', [x, int64s(...shape)]),
    transpose: (x, order) => add('Transpose', [x], { perm: order }),
    slice: (x, dim, start, end) => add('Slice', [x, int64s(start), int64s(end), int64s(dim)]),
    floats: (data, shape) => constant(float, data, shape),
    table(name, data, shape) {
      const known = constants.get(name);
      if (known) return known.name;
      // Large, and whoever asks for shapes alone never reads it.
      const made: OnnxConstant = {
        name: `c${constants.size}`,
        type: float,
        shape,
        get data() {
          return data();
        },
      };
      constants.set(name, made);
      return made.name;
    },
    scalar: (value) => constant(float, [value], []),
    int64s,
    int32: (value) => constant('int32', [value], [1]),
  };

  return {
    onnx,
    flops: (sizes = {}) => {
      const sizeOf = (dim: OnnxDim): number => (typeof dim === 'number' ? dim : sizes[dim]!);
      return products.reduce((sum, { m, k, n }) => sum + 2 * sizeOf(m) * sizeOf(k) * sizeOf(n), 0);
    },
    finish(inputs, outputs) {
      const inputNames = new Set(inputs.map(({ name }) => name));
      const renamed = new Map<string, string>();
      const copies: OnnxNode[] = [];
      const read = new Set(nodes.flatMap((node) => node.inputs));
      const unread = new Set<string>();
      // What a product was reshaped from lies in the same order: it is the output itself.
      const results = outputs.map((output) => {
        const batch = batches.get(output.from);
        if (!batch || read.has(output.from)) return output;
        unread.add(output.from);
        return { ...output, from: batch.name, shape: batch.shape };
      });
      for (const { name, from } of results) {
        if (inputNames.has(from) || renamed.has(from) || from.startsWith('c'))
          copies.push({ op: 'Identity', domain: '', inputs: [from], outputs: [name], attributes: {} });
        else renamed.set(from, name);
      }
      const rename = (name: string) => renamed.get(name) ?? name;
      return {
        nodes: [...nodes.filter((node) => !unread.has(node.outputs[0]!)), ...copies].map((node) => ({
          ...node,
          inputs: node.inputs.map(rename),
          outputs: node.outputs.map(rename),
        })),
        constants: [...constants.values()],
        inputs,
        outputs: results.map(({ name, type, shape }) => ({ name, type, shape })),
      };
    },
  };
}
