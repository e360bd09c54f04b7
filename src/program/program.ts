// What a program is made of: values, the nodes that make them, and ops: plain objects that know their shapes, their typing, their
// cost, their gradient and how they are executed.
import type { Coords, Mesh } from '../mesh/mesh.ts';
import type { OnnxBuilder } from './onnx-builder.ts';
import type { Types, Typing } from './types.ts';

export type Shape = readonly number[];

/** A tensor of one rank's program: its local shape, and how it is spread over the mesh. */
export interface Value {
  readonly id: number;
  readonly shape: Shape;
  readonly dtype: 'float' | 'int';
  readonly types: Types;
  readonly trace: Trace;
}

export interface Node<A = object> {
  readonly op: Op<A>;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly attrs: A;
  /** Where in the model it was made, e.g. `attention`. */
  readonly site: string;
}

/** A program being written: ops append to it. */
export interface Trace {
  readonly mesh: Mesh;
  readonly coords: Coords;
  readonly nodes: Node[];
  nextId: number;
  site: string;
}

/** A finished program. Inputs and outputs have names. */
export interface Program {
  readonly inputs: Readonly<Record<string, Value>>;
  readonly nodes: readonly Node[];
  readonly outputs: Readonly<Record<string, Value>>;
}

export const elements = (shape: Shape): number => shape.reduce((product, size) => product * size, 1);

export interface TensorShape {
  readonly shape: Shape;
  readonly dtype: 'float' | 'int';
}

/** A tensor of numbers in f64, row-major: what references and samples are made of. */
export interface NdArray {
  readonly shape: Shape;
  readonly data: Float64Array;
}

/** Memory of a tensor at run time. */
export type Numbers = Float32Array | Float64Array | Int32Array;

/** Who runs an op. */
export type Execution<A> =
  /** ONNX Runtime: emits nodes and returns the names of the results. */
  | {
      readonly by: 'onnx';
      readonly lower: (onnx: OnnxBuilder, inputs: readonly string[], attrs: A, node: Node) => string[];
    }
  /** A loop on this rank's memory. */
  | {
      readonly by: 'host';
      readonly run: (inputs: readonly Numbers[], outputs: readonly Numbers[], attrs: A, node: Node) => void;
    }
  /** The transport. */
  | { readonly by: 'transport'; readonly call: 'allReduce' | 'allGather' | 'reduceScatter' }
  /** Nobody: the result is the operand's memory under another type. */
  | { readonly by: 'nobody' };

export interface Op<A = object> {
  readonly name: string;
  /** Result shapes; throws {@link ShapeProblem} when the operands do not fit. */
  readonly shape: (inputs: readonly TensorShape[], attrs: A) => TensorShape[];
  /** The typing rule; ops that change types (collectives) have `retype` instead. */
  readonly typing?: Typing | ((inputs: readonly TensorShape[], attrs: A) => Typing);
  /** Matrix-multiply FLOPs this rank executes: 2 per multiply-add, elementwise work not counted. */
  readonly flops?: (inputs: readonly TensorShape[], attrs: A) => number;
  /** Gradients of the operands (undefined: none), given the results' gradients (undefined where nothing depends on a result). */
  readonly vjp?: (args: { node: Node<A>; gradients: readonly (Value | undefined)[] }) => (Value | undefined)[];
  /** Index of an optional, last operand that result 0 is added to and written over (see `grad`). */
  readonly accumulates?: number;
  /** Result 0 is written over this operand. */
  readonly inPlace?: number;
  readonly execution: Execution<A>;
  /** A naive implementation, kept for ever to test the fast one against. */
  readonly reference?: (inputs: readonly NdArray[], attrs: A) => NdArray[];
}

/** Thrown by `shape`; becomes SHAPE_MISMATCH with the op and site. */
export class ShapeProblem extends Error {}

export function expectShape(condition: boolean, problem: string): void {
  if (!condition) throw new ShapeProblem(problem);
}

/** The operand a node writes its first result over, if any. */
export function writesOver(node: Node): Value | undefined {
  const index = node.op.inPlace ?? node.op.accumulates;
  return index === undefined ? undefined : node.inputs[index];
}
