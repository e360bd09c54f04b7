// The thread that writes copies of the ranks' state as checkpoints, one after the other.
import { parentPort } from 'node:worker_threads';
import { type Failure, failureOf } from '../runtime/world-messages.ts';
import type { StepSettings } from '../step/settings.ts';
import type { TrainJob } from './job.ts';
import { saveCopies } from './save-shards.ts';
import { type Snapshot, snapshotMemory } from './snapshot.ts';

export interface SaveOrder {
  readonly settings: StepSettings;
  readonly save: NonNullable<TrainJob['save']>;
  readonly step: number;
  /** By rank. */
  readonly snapshots: readonly Snapshot[];
  /** Word 0 changes when it begins and while it writes. */
  readonly beats: SharedArrayBuffer;
}

/** What it says of an order: it is a checkpoint now, or why not. */
export interface SaveAnswer {
  readonly failure?: Failure;
}

function answer({ settings, save, step, snapshots, beats }: SaveOrder): SaveAnswer {
  const words = new Int32Array(beats);
  const beat = () => void Atomics.add(words, 0, 1);
  beat();
  try {
    const copies = snapshots.map((buffers, rank) => snapshotMemory(buffers, settings, rank));
    saveCopies(copies, settings, save, step, beat);
    return {};
  } catch (error) {
    return { failure: failureOf(error, false) };
  }
}

parentPort!.on('message', (order: SaveOrder) => parentPort!.postMessage(answer(order)));
