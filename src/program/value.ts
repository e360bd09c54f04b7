// The data of a program: values, the nodes that make them, and the program of one rank.
import type { Coords, Mesh } from '../mesh/mesh.ts';
import type { Op } from './op.ts';
import type { Types } from './types.ts';

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
