// What a program is made of: values, the nodes that make them, and ops: plain objects that know their shapes, their typing, their
// cost, their gradient and how they are executed.
import type { Coords, Mesh } from '../mesh/mesh.ts';
import type { GroupCall } from '../mesh/traffic.ts';
import type { KernelShape } from './kernel-shape.ts';
import type { DimSizes, OnnxBuilder, Precision } from './onnx-builder.ts';
import type { OnnxDim } from './onnx-graph.ts';
import type { Types, Typing } from './types.ts';

export type Shape = readonly number[];

/** `float` is the run's precision; `int` 32 bits and `double` 64 in every run: only host ops and the transport take doubles. */
export type Dtype = 'float' | 'int' | 'double';

/** A tensor of one rank's program: its local shape, and how it is spread over the mesh. */
export interface Value {
  readonly id: number;
  readonly shape: Shape;
  readonly dtype: Dtype;
  readonly types: Types;
  readonly trace: Trace;
  /** Of [1, rows, ..]: counts whose sum is how many of its rows there are, the first ones; undefined: all. */
  readonly counted?: Value;
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

export const elementBytes = (dtype: Dtype, precision: Precision): number =>
  dtype === 'double' || (dtype === 'float' && precision === 'f64') ? 8 : 4;

export const elements = (shape: Shape): number => shape.reduce((product, size) => product * size, 1);

export interface TensorShape {
  readonly shape: Shape;
  readonly dtype: Dtype;
}

/** A tensor of numbers in f64, row-major: what references and samples are made of. */
export interface NdArray {
  readonly shape: Shape;
  readonly data: Float64Array;
}

/** Memory of a tensor at run time. */
export type Numbers = Float32Array | Float64Array | Int32Array;

/** A float tensor of a kernel; a dim that is named has a size of its own in every run. */
export interface KernelTensor {
  readonly name: string;
  readonly shape: readonly OnnxDim[];
}

/** A small ONNX graph. Kernels of one name are the same. */
export interface Kernel {
  readonly name: string;
  readonly inputs: readonly KernelTensor[];
  readonly outputs: readonly KernelTensor[];
  /** Emits the nodes; is given the inputs by their own names, and returns the outputs. */
  readonly write: (onnx: OnnxBuilder, inputs: Readonly<Record<string, string>>) => string[];
}

/** The elements of an array from `offset` on, in a shape. */
export interface View {
  readonly of: Numbers;
  readonly offset: number;
  readonly shape: Shape;
}

/** A loop that runs kernels on parts of its operands and results. */
export interface BlockLoop<A> {
  /** By the name that the loop calls them. */
  readonly kernels: (attrs: A, node: Node) => Readonly<Record<string, Kernel>>;
  /** `run`: an output may lie over an input that the kernel adds it to. */
  readonly play: (
    memory: BlockMemory,
    run: (kernel: string, inputs: readonly View[], outputs: readonly View[]) => void,
    attrs: A,
    node: Node,
  ) => void;
  /** Its parts differ from play to play, so that nothing made for them is kept. */
  readonly fleeting?: true;
  /** The numbers that it needs besides its operands and results. */
  readonly scratchElements: (attrs: A, node: Node) => number;
  /** The sizes of the kernels' named dims, the most of any run. */
  readonly largest: (attrs: A, node: Node) => DimSizes;
}
export type RunKernel = Parameters<BlockLoop<object>['play']>[1];

export interface BlockMemory {
  readonly inputs: readonly Numbers[];
  readonly outputs: readonly Numbers[];
  /** Of the floats' precision, as many as {@link BlockLoop.scratchElements} says. */
  readonly scratch: Numbers;
}

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
  /** A loop that the runtime has natively, by its name (runtime/kernels/named.ts). */
  | { readonly by: 'kernel' }
  /** A loop on this rank's memory that runs small ONNX graphs on parts of it. */
  | ({ readonly by: 'blocks' } & BlockLoop<A>)
  /** The transport: one of its calls, and how the call sees the operand. */
  | {
      readonly by: 'transport';
      readonly call: GroupCall;
      readonly how: (attrs: A, node: Pick<Node, 'inputs' | 'outputs'>) => CallShape;
    }
  /** Nobody: the result is the operand's memory under another type. */
  | { readonly by: 'nobody' };

/** What a collective is told besides its memory: see `Cut`, `ReduceOp` and `Transport.allGather` in runtime/transport. */
export interface CallShape {
  readonly reduce?: 'sum' | 'max';
  readonly outer?: number;
  readonly inner?: number;
  readonly shift?: number;
  readonly root?: number;
  readonly still?: boolean;
  /** Elements of a row of an allToAllV, and rows that a rank is expected to send in it: how many go where is known when it runs. */
  readonly width?: number;
  readonly rows?: number;
}

export interface Op<A = object> {
  readonly name: string;
  /** Result shapes; throws {@link ShapeProblem} when the operands do not fit. */
  readonly shape: (inputs: readonly TensorShape[], attrs: A) => TensorShape[];
  /** The typing rule; ops that change types (collectives) have `retype` instead. */
  readonly typing?: Typing | ((inputs: readonly TensorShape[], attrs: A) => Typing);
  /** Matrix-multiply FLOPs this rank executes: 2 per multiply-add, elementwise work not counted. */
  readonly flops?: (inputs: readonly TensorShape[], attrs: A) => number;
  /**
   * What a device has to do: a product, attention, or less memory than operands and results are; undefined: it goes through all of these once.
   * Of an op that has it, undefined as a result is nothing to do, as of a view.
   */
  readonly kernel?: (inputs: readonly TensorShape[], attrs: A) => KernelShape | undefined;
  /** Gradients of the operands (undefined: none), given the results' gradients (undefined where nothing depends on a result). */
  readonly vjp?: (args: { node: Node<A>; gradients: readonly (Value | undefined)[] }) => (Value | undefined)[];
  /**
   * Results whose gradients `vjp` takes, any of which may be undefined; result 0 alone if it is not given. `grad` refuses a gradient
   * of any other result, so that none is dropped.
   */
  readonly differentiable?: readonly number[];
  /** Index of an optional, last operand that result 0 is added to and written over (see `grad`). */
  readonly accumulates?: number;
  /** Results are written over these operands, in their order; undefined: a result has memory of its own. */
  readonly inPlace?: readonly (number | undefined)[];
  /** A result's row is made of the operands' rows in its place: of rows that are counted only those that there are (counted-rows.ts). */
  readonly rowwise?: true;
  /** The operand whose rows the results have, where the op itself leaves out those that there are not. */
  readonly rowsOf?: number;
  /** The operand that counts the results' rows, in the same way. */
  readonly countedBy?: number;
  readonly execution: Execution<A>;
  /** A naive implementation, kept for ever to test the fast one against. */
  readonly reference?: (inputs: readonly NdArray[], attrs: A) => NdArray[];
}

/** Thrown by `shape`; becomes SHAPE_MISMATCH with the op and site. */
export class ShapeProblem extends Error {}

export function expectShape(condition: boolean, problem: string): void {
  if (!condition) throw new ShapeProblem(problem);
}

/** The operand that a node writes a result over, if any. */
export function writesOver({ op, inputs }: Node, result: number): Value | undefined {
  const index = op.inPlace ? op.inPlace[result] : result === 0 ? op.accumulates : undefined;
  return index === undefined ? undefined : inputs[index];
}
