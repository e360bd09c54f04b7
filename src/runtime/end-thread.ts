// Ends a rank's thread from outside.
import { setTimeout as setTimeoutPromise } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { releaseLeftOver } from './onnx/left-over.ts';

/** How long a thread may take to end: a system call that does not return keeps it for ever. */
const endMilliseconds = 3000;

/** Also releases what it held natively (`holdings`); false if it cannot be ended: then it may still be using it. */
export async function endThread(worker: Worker, holdings: SharedArrayBuffer): Promise<boolean> {
  const terminated = worker.terminate().then(() => true);
  const givenUp = setTimeoutPromise(endMilliseconds, false, { ref: false });
  const ended = await Promise.race([terminated, givenUp]);
  if (ended) await releaseLeftOver(holdings);
  return ended;
}
