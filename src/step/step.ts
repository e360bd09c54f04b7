// What one rank does in one program, as a flat list of instructions over numbered buffers: the predictor walks it, the runtime runs it.
import type { Group } from '../mesh/mesh.ts';
import type { GroupCall } from '../mesh/traffic.ts';
import type { Precision } from '../program/onnx-builder.ts';
import type { CallShape, Dtype, Node, Shape } from '../program/program.ts';
import type { Piece } from '../program/segment.ts';
import type { StateVector } from '../state/vectors.ts';

export type BufferPlace =
  /** A vector of the rank's state. */
  | { readonly vector: number; readonly start: number }
  /** The arena of activations: its own piece of it, or a part of the piece of another buffer, the root. */
  | { readonly arena: number; readonly root: number }
  /** Memory of its own: tokens and scalars. */
  | 'own'
  /** Another buffer that has memory of its own. */
  | { readonly own: number; readonly start: number };

export interface Buffer {
  readonly id: number;
  readonly name: string;
  readonly shape: Shape;
  readonly dtype: Dtype;
  readonly bytes: number;
  /** Where it lies, and how many bytes into it. */
  readonly in: BufferPlace;
}

export type ComputePiece = Extract<Piece, { kind: 'compute' }>;

export type Instruction = {
  /** What errors, flight recorders and traces call it, e.g. `block 3 attention + mlp`; recorders keep 62 bytes. */
  readonly site: string;
  /** Undefined: none of them, such as clearing the gradients before the microbatches. */
  readonly phase?: 'forward' | 'backward' | 'inputGradient' | 'weightGradient' | 'finish';
  /** Undefined: it serves all of the step's. */
  readonly microbatch?: number;
  readonly chunk?: number;
  /** Of a block's instructions. */
  readonly layer?: number;
} & (
  | {
      readonly kind: 'compute';
      readonly segment: number;
      readonly inputs: readonly number[];
      readonly outputs: readonly number[];
    }
  /** A loop on this rank's memory. */
  | {
      readonly kind: 'host';
      readonly node: Node;
      readonly inputs: readonly number[];
      readonly outputs: readonly number[];
    }
  | {
      readonly kind: 'blocks';
      readonly node: Node;
      readonly inputs: readonly number[];
      readonly outputs: readonly number[];
      readonly scratch: number;
      /** Matrix-multiply FLOPs by the op's own formula. */
      readonly flops: number;
    }
  | {
      readonly kind: 'collective';
      readonly call: GroupCall;
      readonly group: Group;
      readonly input: number;
      readonly output: number;
      readonly how: CallShape;
      /** Numbers for each rank of the group: rows that go there, and that come from there. */
      readonly counts?: { readonly sent: number; readonly received: number };
    }
  | { readonly kind: 'send' | 'recv'; readonly rank: number; readonly buffer: number; readonly tag: number }
  | { readonly kind: 'zero'; readonly buffers: readonly number[] }
);

/** Where in a step an instruction belongs. */
export type Place = Pick<Instruction, 'site' | 'phase' | 'microbatch' | 'chunk' | 'layer'>;

export interface Segment {
  readonly piece: ComputePiece;
  readonly structure: string;
  /** Matrix-multiply FLOPs of one run, by the ops' own formulas. */
  readonly flops: number;
}

/** Buffers, segments and instructions of a rank; what all kinds of program share. */
export interface RankProgram {
  readonly rank: number;
  readonly precision: Precision;
  /** What outlives it: the vectors it works on, which other programs of the rank may share. */
  readonly state: readonly StateVector[];
  readonly buffers: readonly Buffer[];
  readonly arenaBytes: number;
  /** Most bytes of activations alive at once. */
  readonly livePeakBytes: number;
  readonly segments: readonly Segment[];
  readonly instructions: readonly Instruction[];
}

/** Where tokens [b, ..] of a sequence stand: positions in their documents, and which of its sequence's documents those are. */
export interface PlaceBuffers {
  /** The ranks of cp whose tokens they are, one after another. */
  readonly members: readonly number[];
  readonly positions: number;
  readonly documents: number;
}

/** The token buffers of a microbatch on this rank, of its own tokens; some undefined where its stage does not need them. */
export interface TokenBuffers extends PlaceBuffers {
  /** Token ids [b, s]: where the embedding is. */
  readonly ids?: number;
  /** Blocks of keys of other tokens, by their number: see mesh/sequence.ts. */
  readonly keys: Readonly<Record<number, PlaceBuffers>>;
  /** Target ids [b, s] and what each counts in the loss: where the head is. */
  readonly targets?: number;
  readonly weights?: number;
  /** Where the loss is of pairs of documents: log-probabilities of both completions by the reference [b, pairs, 2]. */
  readonly reference?: number;
  /** What each pair [b, pairs] counts in the loss: 0 where there is none. */
  readonly pairWeights?: number;
}

export interface TrainingStep extends RankProgram {
  readonly tokens: readonly TokenBuffers[];
  /** The sum of the weights of this rank's tokens or pairs, a double: to be filled before a step, where the head is. */
  readonly counted?: number;
  /** A one that gradients start from (where the head is), filled once. */
  readonly one?: number;
  /** See `optimizerSettings` in ops/finishing.ts: to be filled before a step. */
  readonly optimizer: number;
  /**
   * Mean loss of the step, on every rank after the step; where the loss is of pairs, then their `preferenceFigures`. Where replicas take
   * steps of their own, the means of theirs.
   */
  readonly loss: number;
  /** The gradients' global norm before clipping, a double; where replicas take steps of their own, the mean of theirs. */
  readonly gradNorm: number;
  /**
   * Of mixtures: what is told of every one's routing, layer by layer (model/router.ts), doubles, on every rank after the step; where
   * replicas take steps of their own, the means of theirs.
   */
  readonly routing?: number;
}

/** The buffers an instruction reads or writes. */
export function touched(instruction: Instruction): readonly number[] {
  switch (instruction.kind) {
    case 'compute':
    case 'host':
      return [...instruction.inputs, ...instruction.outputs];
    case 'blocks':
      return [...instruction.inputs, ...instruction.outputs, instruction.scratch];
    case 'collective': {
      const { input, output, counts } = instruction;
      return [input, output, ...(counts ? [counts.sent, counts.received] : [])];
    }
    case 'send':
    case 'recv':
      return [instruction.buffer];
    case 'zero':
      return instruction.buffers;
  }
}
