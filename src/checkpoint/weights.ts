// Reads what a rank holds of a model's weights from a checkpoint.
import { type Coords, coordsOf, type Mesh } from '../mesh/mesh.ts';
import type { ParamSpec } from '../model/params.ts';
import type { StateMemory } from '../runtime/memory.ts';
import type { Transport } from '../runtime/transport/transport.ts';
import type { StateRole, StateVector } from '../state/vectors.ts';
import { heldNumbers } from './held-numbers.ts';
import type { Checkpoint } from './hf-directory.ts';
import { readBox } from './shards.ts';

/** Every parameter this rank holds; closes the checkpoint. */
export function readWeights(
  checkpoint: Checkpoint,
  vectors: readonly StateVector[],
  memory: StateMemory,
  mesh: Mesh,
  transport: Transport,
): void {
  readRole(checkpoint, vectors, memory, {
    role: 'parameter',
    tensorOf: thereIn(checkpoint),
    mesh,
    coords: coordsOf(mesh, transport.rank),
    heartbeat: (site) => transport.heartbeat(site),
  });
  checkpoint.close();
}

/** The tensor of a parameter; none where a checkpoint may be without it and is. */
export const thereIn =
  (checkpoint: Checkpoint) =>
  (spec: ParamSpec): ParamSpec | undefined =>
    spec.byLoad && !checkpoint.has(spec.tensor.name) ? undefined : spec;

/** All that this rank holds of one role. `tensorOf`: the spec that points at the tensor to read, or undefined to leave it. */
export function readRole(
  checkpoint: Checkpoint,
  vectors: readonly StateVector[],
  memory: StateMemory,
  how: {
    readonly role: StateRole;
    readonly tensorOf: (spec: ParamSpec) => ParamSpec | undefined;
    readonly mesh: Mesh;
    readonly coords: Coords;
    readonly heartbeat: (site: string) => void;
  },
): void {
  for (const { spec, ranges, numbers } of heldNumbers(vectors, how.role, memory, how.mesh, how.coords)) {
    const tensor = how.tensorOf(spec);
    const beat = () => how.heartbeat(`loading ${spec.name}`);
    beat();
    if (tensor) readBox(checkpoint, tensor, ranges, numbers, beat);
  }
}
