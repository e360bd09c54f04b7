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

/** Allocates everything a program needs; nothing is allocated while it runs. */
export function allocate(program: RankProgram): RankMemory {
  const arena = new ArrayBuffer(program.arenaBytes);
  let bytes = arena.byteLength;
  const arrays = program.buffers.map((buffer): Numbers => {
    const Type = arrayType(buffer.dtype, program.precision);
    const size = elements(buffer.shape);
    if (buffer.offset !== undefined) return new Type(arena, buffer.offset, size);
    const array = new Type(size);
    bytes += array.byteLength;
    return array;
  });
  return { of: (id) => arrays[id]!, bytes };
}
