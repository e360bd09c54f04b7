// Checkpoints that are written beside the ranks: who has copied its state, when a step is written, and what went wrong.
import { setTimeout as setTimeoutPromise } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { saveFailed } from '../checkpoint/out-files.ts';
import { FivefoldError } from '../errors.ts';
import { startThread } from '../runtime/side-thread.ts';
import { countedBetweenLooks } from '../runtime/transport/threads/progress.ts';
import type { StepSettings } from '../step/settings.ts';
import type { TrainJob } from './job.ts';
import type { SaveAnswer, SaveOrder } from './save-thread.ts';
import { makeSnapshots, type RankSnapshot, type Snapshot } from './snapshot.ts';

export interface BackgroundSaves {
  /** For the jobs of the ranks of a new world, in rank order. Nothing may be being written. */
  forWorld(world: SavingWorld): readonly RankSnapshot[];
  /** A rank has copied its state of a step: when all have, it is written. */
  copied(step: number): void;
  /** Resolves when nothing is being written any more, or has failed. */
  settled(): Promise<void>;
  /** Ends the thread. */
  close(): Promise<void>;
}

export interface SavingWorld {
  readonly settings: StepSettings;
  readonly save: NonNullable<TrainJob['save']>;
  readonly timeoutSeconds: number;
  readonly onSaved: (step: number) => void;
  /** SAVE_FAILED, an error of the program itself, or what `onSaved` threw. */
  readonly onFailure: (error: Error) => void;
}

const lookMilliseconds = 250;
/** How long the thread may take to import its module. */
const startSeconds = 60;
/** How long a thread may take to end: a system call that does not return keeps it for ever. */
const endMilliseconds = 3000;

const threadModule = new URL(
  import.meta.url.endsWith('.ts') ? './save-thread.ts' : './save-thread.js',
  import.meta.url,
);

export function createBackgroundSaves(): BackgroundSaves {
  /** Word 0: 0 until the thread has begun with its first order; then it changes while it writes. */
  const beats = new SharedArrayBuffer(4);
  let thread: Worker | undefined;
  let room: { readonly layout: StepSettings['layout']; readonly snapshots: readonly Snapshot[] } | undefined;
  let world: SavingWorld | undefined;
  let written = new Int32Array(new SharedArrayBuffer(4));
  let copies = 0;
  /** Of the step being written. */
  let writing: { readonly step: number; readonly over: Promise<void>; readonly end: () => void } | undefined;

  function finish(failure?: Error): void {
    const { step, end } = writing!;
    writing = undefined;
    if (failure) world!.onFailure(failure);
    else {
      Atomics.add(written, 0, 1);
      Atomics.notify(written, 0);
      try {
        world!.onSaved(step);
      } catch (error) {
        world!.onFailure(error instanceof Error ? error : new Error(String(error)));
      }
    }
    end();
  }

  function start(): Worker {
    Atomics.store(new Int32Array(beats), 0, 0);
    const worker = startThread(threadModule);
    worker.on('message', ({ failure }: SaveAnswer) => finish(failure && errorOf(failure)));
    const broke = (problem: string) => {
      thread = undefined;
      if (writing) finish(notSaved(problem));
    };
    worker.on('error', (error) => broke(`the thread that writes it failed: ${error.message}`));
    worker.on('exit', (code) => broke(`the thread that writes it ended with status ${code}`));
    return worker;
  }

  const notSaved = (problem: string): Error => {
    try {
      return saveFailed(world!.save.out, writing!.step, problem, 'put that right');
    } catch (error) {
      return error as Error;
    }
  };

  /** A disk that does not answer for the time-out ends the save. */
  async function watch(watched: typeof writing): Promise<void> {
    const words = new Int32Array(beats);
    let [beat, still, lookedAt] = [Atomics.load(words, 0), 0, performance.now()];
    for (;;) {
      await setTimeoutPromise(lookMilliseconds, undefined, { ref: false });
      if (writing !== watched) return;
      const now = performance.now();
      still = beat === Atomics.load(words, 0) ? still + countedBetweenLooks(now - lookedAt) : 0;
      [beat, lookedAt] = [Atomics.load(words, 0), now];
      const { timeoutSeconds } = world!;
      if (still < 1000 * (beat === 0 ? Math.max(startSeconds, timeoutSeconds) : timeoutSeconds)) continue;
      const worker = thread!;
      worker.removeAllListeners();
      thread = undefined;
      await endThread(worker);
      finish(notSaved(`nothing of it has been written for ${timeoutSeconds} s`));
      return;
    }
  }

  return {
    forWorld(next) {
      const { settings } = next;
      // A world that goes on in the same layout has the room of the one before it.
      if (room?.layout !== settings.layout) room = { layout: settings.layout, snapshots: makeSnapshots(settings) };
      world = next;
      written = new Int32Array(new SharedArrayBuffer(4));
      copies = 0;
      return room.snapshots.map((buffers) => ({ buffers, written: written.buffer as SharedArrayBuffer }));
    },
    copied(step) {
      copies++;
      const { settings, save } = world!;
      const { snapshots } = room!;
      if (copies % snapshots.length !== 0) return;
      let end!: () => void;
      const over = new Promise<void>((resolve) => {
        end = resolve;
      });
      writing = { step, over, end };
      const order: SaveOrder = { settings, save, step, snapshots, beats };
      thread ??= start();
      thread.postMessage(order);
      void watch(writing);
    },
    settled: () => writing?.over ?? Promise.resolve(),
    async close() {
      const worker = thread;
      thread = undefined;
      worker?.removeAllListeners();
      if (worker) await endThread(worker);
    },
  };
}

const endThread = (worker: Worker): Promise<boolean> =>
  Promise.race([worker.terminate().then(() => true), setTimeoutPromise(endMilliseconds, false, { ref: false })]);

function errorOf({ known, message, stack }: NonNullable<SaveAnswer['failure']>): Error {
  if (known) return new FivefoldError(known.code, known.values);
  const error = new Error(message);
  if (stack !== undefined) error.stack = stack;
  return error;
}
