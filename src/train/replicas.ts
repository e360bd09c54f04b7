// Replicas that take steps of their own, as a run sees them: what they agree on when it starts.

import type { Coords, Mesh } from '../mesh/mesh.ts';
import type { StateMemory } from '../runtime/memory.ts';
import { heldPart } from '../state/pieces.ts';
import type { StateVector } from '../state/vectors.ts';

/** Notes this rank's part of the parameters, the same on all replicas, as what they last agreed on. */
export function noteAgreement(vectors: readonly StateVector[], memory: StateMemory, mesh: Mesh, coords: Coords): void {
  for (const vector of vectors) {
    if (vector.role !== 'synchronised') continue;
    const { bucket } = vector;
    const parameter = vectors.find((other) => other.role === 'parameter' && other.bucket === bucket)!;
    const start =
      heldPart(bucket, vector.types, mesh, coords).start - heldPart(bucket, parameter.types, mesh, coords).start;
    memory.of(vector).set(memory.of(parameter).subarray(start, start + vector.size));
  }
}
