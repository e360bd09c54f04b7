// How a rank saves: it hands a copy to the thread that writes while the next step runs. The last step, which nothing follows, and all
// steps where there is no room for copies, it writes with the other ranks.
import { coordsOf } from '../mesh/mesh.ts';
import type { StateMemory } from '../runtime/memory.ts';
import type { Transport } from '../runtime/transport/transport.ts';
import { savedVectors } from '../state/saved.ts';
import type { StateVector } from '../state/vectors.ts';
import type { TrainJob, TrainReport } from './job.ts';
import { expectFinite, piecesToSave, saveCheckpoint } from './save-shards.ts';
import { copyState, snapshotMemory } from './snapshot.ts';

/** Milliseconds between two signs of life while a rank waits for the thread, which the launcher watches. */
const sliceMilliseconds = 50;

/** Returns what saves a step: when it has returned, the state may change. */
export function createSaver(
  transport: Transport,
  memory: StateMemory,
  vectors: readonly StateVector[],
  job: TrainJob & { readonly save: NonNullable<TrainJob['save']> },
  report: (message: TrainReport) => void,
): (step: number) => void {
  const { settings, save, lastStep, snapshots } = job;
  const { rank } = transport;
  const snapshot = snapshots?.[rank];
  const copy = snapshot && snapshotMemory(snapshot.buffers, settings, rank);
  const saved = savedVectors(vectors, coordsOf(settings.layout, rank));
  const written = snapshot && new Int32Array(snapshot.written);
  let copies = 0;
  let saidToWait = false;

  /** Until the last copy is a checkpoint. */
  function awaitWritten(words: Int32Array, step: number): void {
    for (let done = Atomics.load(words, 0); done < copies; done = Atomics.load(words, 0)) {
      if (rank === 0 && !saidToWait) report({ kind: 'saveWaits', step });
      saidToWait = true;
      transport.heartbeat('waiting for the checkpoint before this one');
      Atomics.wait(words, 0, done, sliceMilliseconds);
    }
  }

  return (step) => {
    if (written) awaitWritten(written, step);
    if (!copy || step === lastStep) {
      saveCheckpoint(transport, memory, vectors, settings, save, step);
      if (rank === 0) report({ kind: 'saved', step, out: save.out });
      return;
    }
    expectFinite(piecesToSave(vectors, memory, settings.layout, rank), step);
    copyState(memory, copy, saved, () => transport.heartbeat('copying what is saved'));
    copies++;
    report({ kind: 'copied', step });
  };
}
