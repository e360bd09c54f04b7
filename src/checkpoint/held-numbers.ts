// What a rank holds of a model, vector by vector and piece by piece: where weights are read into and saves written from.
import type { Coords, Mesh } from '../mesh/mesh.ts';
import type { Floats } from '../runtime/kernels/local-kernels.ts';
import type { StateMemory } from '../runtime/memory.ts';
import { type HeldPiece, piecesOf } from '../state/pieces.ts';
import type { StateRole, StateVector } from '../state/vectors.ts';

/** A piece of a parameter (or of what goes with it) and its numbers. */
export interface HeldNumbers extends HeldPiece {
  readonly vector: StateVector;
  readonly numbers: Floats;
}

/** All pieces that a rank holds in vectors of a role, in the order of its buckets. */
export function heldNumbers(
  vectors: readonly StateVector[],
  role: StateRole,
  memory: StateMemory,
  mesh: Mesh,
  coords: Coords,
): HeldNumbers[] {
  return vectors
    .filter((vector) => vector.role === role)
    .flatMap((vector) =>
      piecesOf(vector.bucket, vector.types, mesh, coords).map((piece) => ({
        ...piece,
        vector,
        numbers: memory.of(vector).subarray(piece.start, piece.start + piece.count) as Floats,
      })),
    );
}
