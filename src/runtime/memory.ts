// The memory of a rank: its state, which all its programs share, an arena of activations that they take turns in, and each program's own.
import type { Precision } from '../program/onnx-builder.ts';
import { type Dtype, elementBytes, elements, type Numbers } from '../program/program.ts';
import type { StateVector } from '../state/vectors.ts';
import type { Buffer, RankProgram } from '../step/step.ts';
import type { Floats } from './kernels/local-kernels.ts';
import type { Piece } from './transport/transport.ts';

/** Where memory is taken from, such as a transport whose peers can reach it. */
export type Allocate = (bytes: number) => Piece;

/** What outlives a program. */
export interface StateMemory {
  /** The numbers of a vector, by its role and bucket. */
  readonly of: (vector: Pick<StateVector, 'role' | 'bucket'>) => Floats;
  readonly bytes: number;
}

/** What a rank's programs work on. */
export interface RankMemory {
  readonly state: StateMemory;
  readonly arena: Piece;
}

/** The numbers of a program's buffers, by id. */
export interface ProgramMemory {
  readonly of: (id: number) => Numbers;
  /** Bytes that are the program's alone. */
  readonly ownBytes: number;
}

const arrayType = (dtype: Dtype, precision: Precision) =>
  dtype === 'int' ? Int32Array : elementBytes(dtype, precision) === 8 ? Float64Array : Float32Array;

const keyOf = ({ role, bucket }: Pick<StateVector, 'role' | 'bucket'>): string => `${role} ${bucket.name}`;

/** Memory for all programs of a rank: the state of the first, of which the others may have less, and an arena for the largest. */
export function allocateMemory(
  programs: readonly RankProgram[],
  allocate: Allocate,
): RankMemory & { readonly bytes: number } {
  const [{ state: vectors, precision }] = programs as [RankProgram];
  const Type = arrayType('float', precision) as Float32ArrayConstructor;
  const arrays = new Map(
    vectors.map((vector) => {
      const memory = allocate(vector.size * Type.BYTES_PER_ELEMENT);
      return [keyOf(vector), new Type(memory.buffer as ArrayBuffer, memory.byteOffset, vector.size)];
    }),
  );
  const stateBytes = [...arrays.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
  const arena = allocate(Math.max(...programs.map(({ arenaBytes }) => arenaBytes)));
  return {
    state: { of: (vector) => arrays.get(keyOf(vector))!, bytes: stateBytes },
    arena,
    bytes: stateBytes + arena.byteLength,
  };
}

/** The buffers of a program in a rank's memory; nothing is allocated while it runs. */
export function layOut(program: RankProgram, { state, arena }: RankMemory): ProgramMemory {
  const { precision } = program;
  const arrays: Numbers[] = [];
  let ownBytes = 0;
  const over = (memory: ArrayBufferLike, start: number, { dtype, shape }: Buffer): Numbers =>
    new (arrayType(dtype, precision) as Float32ArrayConstructor)(memory as ArrayBuffer, start, elements(shape));
  for (const buffer of program.buffers) {
    const where = buffer.in;
    if (where === 'own') {
      arrays.push(new (arrayType(buffer.dtype, precision))(elements(buffer.shape)));
      ownBytes += buffer.bytes;
    } else if ('vector' in where) {
      const vector = state.of(program.state[where.vector]!);
      arrays.push(over(vector.buffer, vector.byteOffset + where.start, buffer));
    } else if ('own' in where) {
      const own = arrays[where.own]!;
      arrays.push(over(own.buffer, own.byteOffset + where.start, buffer));
    } else arrays.push(over(arena.buffer, arena.byteOffset + where.arena, buffer));
  }
  return { of: (id) => arrays[id]!, ownBytes };
}
