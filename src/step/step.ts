// What one rank does in one step, as a flat list of instructions over numbered buffers: the predictor walks it, the runtime runs it.
import type { Group } from '../mesh/mesh.ts';
import type { ParamSpec } from '../model/params.ts';
import type { Precision } from '../program/onnx-builder.ts';
import type { Node, Shape } from '../program/program.ts';
import type { Piece } from '../program/segment.ts';

export type BufferRole = 'parameter' | 'gradient' | 'firstMoment' | 'secondMoment' | 'tokens' | 'scalar' | 'activation';

export interface Buffer {
  readonly id: number;
  readonly role: BufferRole;
  readonly name: string;
  readonly shape: Shape;
  /** float: the run's precision; int: 32 bits; double: 64 bits in every run. */
  readonly dtype: 'float' | 'int' | 'double';
  readonly bytes: number;
  /** Bytes into the arena (activations); others have memory of their own. */
  readonly offset?: number;
}

export type ComputePiece = Extract<Piece, { kind: 'compute' }>;

/** Matrices [outer, ranks, inner] as the transport cuts them (see Cut in runtime/transport). */
export interface CutShape {
  readonly outer: number;
  readonly inner: number;
}

export type Instruction = {
  /** What errors, flight recorders and traces call it, e.g. `block 3 backward mlp + attention`; recorders keep 62 bytes. */
  readonly site: string;
  /** Undefined: none of them, such as clearing the gradients before the microbatches. */
  readonly phase?: 'forward' | 'backward' | 'finish';
  /** Undefined: it serves all of the step's. */
  readonly microbatch?: number;
  /** Of a block's instructions. */
  readonly layer?: number;
} & (
  | {
      readonly kind: 'compute';
      readonly segment: number;
      readonly inputs: readonly number[];
      readonly outputs: readonly number[];
    }
  | {
      readonly kind: 'host';
      readonly node: Node;
      readonly inputs: readonly number[];
      readonly outputs: readonly number[];
    }
  | {
      readonly kind: 'allReduce';
      readonly group: Group;
      readonly input: number;
      readonly output: number;
      readonly reduce: 'sum' | 'max';
    }
  | {
      readonly kind: 'allGather' | 'reduceScatter';
      readonly group: Group;
      readonly input: number;
      readonly output: number;
      readonly cut: CutShape;
    }
  | { readonly kind: 'send' | 'recv'; readonly rank: number; readonly buffer: number }
  | { readonly kind: 'zero'; readonly buffers: readonly number[] }
  /** Σ of squares of the buffers, into a double. */
  | { readonly kind: 'sumSquares'; readonly buffers: readonly number[]; readonly output: number }
  /** AdamW on every parameter this rank holds, gradients clipped by the norm whose square is in `norm`. */
  | { readonly kind: 'update'; readonly norm: number }
);

/** Where in a step an instruction belongs. */
export type Place = Pick<Instruction, 'site' | 'phase' | 'microbatch' | 'layer'>;

/** A parameter this rank holds and the buffers that go with it. */
export interface HeldParam {
  readonly spec: ParamSpec;
  readonly param: number;
  readonly gradient: number;
  readonly firstMoment: number;
  readonly secondMoment: number;
}

export interface Segment {
  readonly piece: ComputePiece;
  readonly structure: string;
  /** Matrix-multiply FLOPs of one run, by the ops' own formulas. */
  readonly flops: number;
}

/** Buffers, segments and instructions of a rank; what all kinds of step share. */
export interface RankProgram {
  readonly rank: number;
  readonly precision: Precision;
  readonly buffers: readonly Buffer[];
  readonly arenaBytes: number;
  /** Most bytes of activations alive at once. */
  readonly livePeakBytes: number;
  readonly segments: readonly Segment[];
  readonly instructions: readonly Instruction[];
}

export interface TrainingStep extends RankProgram {
  readonly params: readonly HeldParam[];
  /** Token buffers of each microbatch; undefined where this stage does not need them. */
  readonly ids: readonly (number | undefined)[];
  readonly targets: readonly (number | undefined)[];
  /** A one that gradients start from (last stage), filled once. */
  readonly one?: number;
  /** Mean loss of the step, on every rank after the step. */
  readonly loss: number;
  /** Square of the gradients' global norm before clipping. */
  readonly squaredNorm: number;
}
