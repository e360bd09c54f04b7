// Copies of what the ranks save, in memory that a thread beside them reaches: it writes a step's files while the next steps run.
//
//   rank r      step 10 ─ copy ─ step 11 ─ ... ─ step 20 ─ (wait) ─ copy ─ step 21
//   the thread           write 10, commit ..................│       write 20, commit
//
// A copy belongs to its rank until that has said `copied`, then to the thread until `written` counts it: the message comes after the
// rank's writes and before the thread's reads, the count after these reads and before the rank's next writes.
import { coordsOf, worldSize } from '../mesh/mesh.ts';
import { elementBytes } from '../program/program.ts';
import type { Floats } from '../runtime/kernels/local-kernels.ts';
import type { StateMemory } from '../runtime/memory.ts';
import { type SavedVector, savedVectors } from '../state/saved.ts';
import { trainingState } from '../step/outer-step.ts';
import type { StepSettings } from '../step/settings.ts';

/** A rank's copy: a buffer for each of its saved vectors, in their order. Nothing is resident of it before the first copy. */
export type Snapshot = readonly SharedArrayBuffer[];

/** What a rank is told of its copy, and of the thread that writes it. */
export interface RankSnapshot {
  readonly buffers: Snapshot;
  /** Word 0: the copies that have been written so far in this world. Its sleepers are woken when it changes. */
  readonly written: SharedArrayBuffer;
}

const savedOf = (settings: StepSettings, rank: number) => {
  const coords = coordsOf(settings.layout, rank);
  return savedVectors(trainingState(settings, coords).vectors, coords);
};

/** Room for the copies of all ranks. */
export function makeSnapshots(settings: StepSettings): Snapshot[] {
  const width = elementBytes('float', settings.precision);
  return Array.from({ length: worldSize(settings.layout) }, (_, rank) =>
    savedOf(settings, rank).map(({ size }) => new SharedArrayBuffer(size * width)),
  );
}

/** A rank's copy as the state that it is one of. */
export function snapshotMemory(buffers: Snapshot, settings: StepSettings, rank: number): StateMemory {
  const Type = elementBytes('float', settings.precision) === 8 ? Float64Array : Float32Array;
  const arrays = new Map(
    savedOf(settings, rank).map(({ role, bucket }, at) => [
      `${role} ${bucket.name}`,
      new Type(buffers[at] as unknown as ArrayBuffer),
    ]),
  );
  return {
    of: ({ role, bucket }) => arrays.get(`${role} ${bucket.name}`)! as Floats,
    bytes: buffers.reduce((sum, { byteLength }) => sum + byteLength, 0),
  };
}

/** Numbers copied between two signs of life. */
const pieceNumbers = 2 ** 24;

/** Copies all that a rank saves. */
export function copyState(from: StateMemory, to: StateMemory, saved: readonly SavedVector[], beat: () => void): void {
  for (const vector of saved) {
    const [source, target] = [from.of(vector), to.of(vector)];
    for (let start = 0; start < source.length; start += pieceNumbers) {
      beat();
      target.set(source.subarray(start, start + pieceNumbers), start);
    }
  }
}
