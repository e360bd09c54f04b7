// Collects the ONNX nodes of a segment while its ops are lowered.
import type { Attribute, OnnxConstant, OnnxGraph, OnnxNode, OnnxTensorInfo } from './onnx-graph.ts';

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
  /**
   * A · B on the last two dims, times `alpha`; counted as 2·batch·m·k·n FLOPs. With `transposed` A is stored as [.., k, m] or
   * B as [.., n, k]; `rank` is then that operand's.
   */
  matMul(a: string, b: string, size: MatMulSize, options?: MatMulOptions): string;
  /** Aᵀ · B of 2-D tensors [k, m] and [k, n], plus `add` [m, n] when given. Counted likewise. */
  matMulTransposedA(a: string, b: string, size: { m: number; k: number; n: number }, add?: string): string;
  reshape(x: string, shape: readonly number[]): string;
  transpose(x: string, order: readonly number[]): string;
  /** Elements [start, end) of one dim. */
  slice(x: string, dim: number, start: number, end: number): string;
  /** A float constant. */
  floats(data: readonly number[] | Float64Array, shape: readonly number[]): string;
  /** A float constant of one element that broadcasts. */
  scalar(value: number): string;
  /** A 1-D int64 constant (shapes, axes). */
  int64s(...values: number[]): string;
  /** An int32 constant of one element. */
  int32(value: number): string;
}

export interface MatMulSize {
  readonly batch?: number;
  readonly m: number;
  readonly k: number;
  readonly n: number;
}
export interface MatMulOptions {
  readonly transposed?: 'a' | 'b';
  readonly rank?: number;
  readonly alpha?: number;
}

/** A builder and what has been built so far. */
export interface GraphUnderConstruction {
  readonly onnx: OnnxBuilder;
  /** Matrix-multiply FLOPs of the nodes added, counted from the shapes they were given. */
  readonly flops: () => number;
  readonly finish: (
    inputs: readonly OnnxTensorInfo[],
    outputs: readonly (OnnxTensorInfo & { from: string })[],
  ) => OnnxGraph;
}

export function buildGraph(precision: Precision): GraphUnderConstruction {
  const nodes: OnnxNode[] = [];
  const constants = new Map<string, OnnxConstant>();
  const float = precision === 'f32' ? 'float32' : 'float64';
  let count = 0;
  let flops = 0;

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
  const onnx: OnnxBuilder = {
    precision,
    fused,
    add,
    addMany,
    matMul(a, b, { batch = 1, m, k, n }, { transposed, rank = 2, alpha = 1 } = {}) {
      flops += 2 * batch * m * k * n;
      if (!transposed && alpha === 1) return add('MatMul', [a, b]);
      if (fused) {
        const attributes = {
          transA: transposed === 'a' ? 1 : 0,
          transB: transposed === 'b' ? 1 : 0,
          alpha: { float: alpha },
        };
        return addMany('FusedMatMul', [a, b], 1, attributes, 'com.microsoft')[0]!;
      }
      const order = Array.from({ length: rank }, (_, dim) => (dim < rank - 2 ? dim : 2 * rank - 3 - dim));
      const flip = (x: string, which: 'a' | 'b') => (transposed === which ? add('Transpose', [x], { perm: order }) : x);
      const product = add('MatMul', [flip(a, 'a'), flip(b, 'b')]);
      return alpha === 1 ? product : add('Mul', [product, constant(float, [alpha], [])]);
    },
    matMulTransposedA(a, b, { m, k, n }, plus) {
      flops += 2 * m * k * n;
      return add('Gemm', plus === undefined ? [a, b] : [a, b, plus], { transA: 1 });
    },
    reshape: (x, shape) => add('Reshape', [x, int64s(...shape)]),
    transpose: (x, order) => add('Transpose', [x], { perm: order }),
    slice: (x, dim, start, end) => add('Slice', [x, int64s(start), int64s(end), int64s(dim)]),
    floats: (data, shape) => constant(float, data, shape),
    scalar: (value) => constant(float, [value], []),
    int64s,
    int32: (value) => constant('int32', [value], [1]),
  };

  return {
    onnx,
    flops: () => flops,
    finish(inputs, outputs) {
      const inputNames = new Set(inputs.map(({ name }) => name));
      const renamed = new Map<string, string>();
      const copies: OnnxNode[] = [];
      for (const { name, from } of outputs) {
        if (inputNames.has(from) || renamed.has(from) || from.startsWith('c'))
          copies.push({ op: 'Identity', domain: '', inputs: [from], outputs: [name], attributes: {} });
        else renamed.set(from, name);
      }
      const rename = (name: string) => renamed.get(name) ?? name;
      return {
        nodes: [...nodes, ...copies].map((node) => ({
          ...node,
          inputs: node.inputs.map(rename),
          outputs: node.outputs.map(rename),
        })),
        constants: [...constants.values()],
        inputs,
        outputs: outputs.map(({ name, type, shape }) => ({ name, type, shape })),
      };
    },
  };
}
