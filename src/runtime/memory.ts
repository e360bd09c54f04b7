// The memory of a rank: one array a buffer, activations as views of one arena, and a count of what was allocated.
import type { Precision } from '../program/onnx-builder.ts';
import type { Numbers } from '../program/program.ts';
import { elements } from '../program/program.ts';
import type { Buffer, RankProgram } from '../step/step.ts';

export interface RankMemory {
  /** The numbers of a buffer, by its id. */
  readonly of: (id: number) => Numbers;
  /** Bytes allocated for buffers, arena included. */
  readonly bytes: number;
}

type ArrayType = Float32ArrayConstructor | Float64ArrayConstructor | Int32ArrayConstructor;

export const arrayType = (dtype: Buffer['dtype'], precision: Precision): ArrayType =>
  dtype === 'int' ? Int32Array : dtype === 'double' || precision === 'f64' ? Float64Array : Float32Array;

/** Memory that a program may use in place of its own, by a buffer's role and name. */
export type Shared = (buffer: Buffer) => Numbers | undefined;

/** The parameters of another program of the same rank. */
export function parametersOf({ buffers }: RankProgram, memory: RankMemory): Shared {
  const parameters = buffers.filter(({ role }) => role === 'parameter');
  const byName = new Map(parameters.map(({ name, id }) => [name, memory.of(id)]));
  return ({ role, name }) => (role === 'parameter' ? byName.get(name) : undefined);
}

/** Allocates everything a program needs and does not share; nothing is allocated while it runs. */
export function allocate(program: RankProgram, shared: Shared = () => undefined): RankMemory {
  const arena = new ArrayBuffer(program.arenaBytes);
  let bytes = arena.byteLength;
  const arrays = program.buffers.map((buffer): Numbers => {
    const found = shared(buffer);
    if (found) return found;
    const Type = arrayType(buffer.dtype, program.precision);
    const size = elements(buffer.shape);
    if (buffer.offset !== undefined) return new Type(arena, buffer.offset, size);
    const array = new Type(size);
    bytes += array.byteLength;
    return array;
  });
  return { of: (id) => arrays[id]!, bytes };
}
