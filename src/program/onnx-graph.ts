// An ONNX graph as plain data: what ops lower to, before it is encoded for ONNX Runtime.

export type OnnxType = 'float32' | 'float64' | 'int32' | 'int64' | 'bool';

export type Attribute = number | string | readonly number[] | { readonly float: number };

export interface OnnxNode {
  readonly op: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Integers (or integer lists), strings, and floats as `{ float }`. */
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** A dim's size, or its name where every run has its own. */
export type OnnxDim = number | string;

export interface OnnxTensorInfo {
  readonly name: string;
  readonly type: OnnxType;
  readonly shape: readonly OnnxDim[];
}

export interface OnnxConstant extends OnnxTensorInfo {
  readonly shape: readonly number[];
  readonly data: readonly number[] | Float64Array;
}

export interface OnnxGraph {
  readonly nodes: readonly OnnxNode[];
  readonly constants: readonly OnnxConstant[];
  readonly inputs: readonly OnnxTensorInfo[];
  readonly outputs: readonly OnnxTensorInfo[];
}
