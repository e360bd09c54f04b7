// The vectors of a conformance case: what they hold at first, whose memory they lie in, and when the rank itself touches them.
import type { Group } from '../../src/mesh/mesh.ts';
import type { Piece, Transport, Vector } from '../../src/runtime/transport/transport.ts';

export type VectorType = 'f32' | 'f64' | 'i32';

/** What a rank does with its vectors itself, before and after a call. */
export interface Owner {
  /** Bytes for a vector, holding anything. */
  readonly allocate: (bytes: number) => Piece;
  /** Told before the rank writes or reads a vector. */
  readonly touch?: (vector: Vector, what: 'write' | 'read') => void;
}

export const ownMemory: Owner = { allocate: (bytes) => new Uint8Array(bytes) };

const widths = { f32: 4, f64: 8, i32: 4 } as const;

export function make(type: VectorType, length: number, { allocate } = ownMemory): Vector {
  const { buffer, byteOffset } = allocate(length * widths[type]);
  if (type === 'f32') return new Float32Array(buffer, byteOffset, length);
  return type === 'f64' ? new Float64Array(buffer, byteOffset, length) : new Int32Array(buffer, byteOffset, length);
}

/** Numbers whose sums round, so that another order of summing shows. */
export function inputOf(type: VectorType, length: number, seed: number, member: number): Vector {
  const data = make(type, length);
  let state = Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(member + 1, 0x85ebca6b);
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + i) | 0;
    data[i] = type === 'i32' ? state >> 8 : (state / 2 ** 31) * 10 ** (i % 4);
  }
  return data;
}

/** The vectors of a call: the rank writes them before, reads one after, and writes them anew as soon as the call has returned. */
export class Vectors {
  readonly #owner: Owner;
  readonly #type: VectorType;
  readonly #all: Vector[] = [];

  constructor(owner: Owner, type: VectorType) {
    this.#owner = owner;
    this.#type = type;
  }

  empty(length: number): Vector {
    const vector = make(this.#type, length, this.#owner);
    this.#all.push(vector);
    this.write(vector);
    return vector.fill(-1);
  }

  of(values: Vector): Vector {
    const vector = this.empty(values.length);
    vector.set(values);
    return vector;
  }

  write(vector: Vector): void {
    this.#owner.touch?.(vector, 'write');
  }

  /** What a vector holds; afterwards all of the call's hold something else. */
  take(result: Vector): Vector {
    this.#owner.touch?.(result, 'read');
    const got = result.slice();
    for (const vector of this.#all) {
      this.write(vector);
      vector.fill(-2);
    }
    return got;
  }
}

/** What a call left and what it should have. */
export interface Outcome {
  readonly got: Vector;
  readonly want: Vector;
}

export interface Performing {
  readonly transport: Transport;
  readonly group: Group;
  readonly vectors: Vectors;
  readonly site: string;
  readonly me: number;
  /** Every member's numbers. */
  readonly all: (length: number) => Vector[];
}
