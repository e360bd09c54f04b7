// Worker threads kept between worlds: starting one costs far more than a small world does.
import { Worker } from 'node:worker_threads';
import { libraryPath } from './onnx/library.ts';
import { disableTelemetry } from './onnx/telemetry.ts';

export interface WorldPool {
  /**
   * Takes idle workers, starting what is missing.
   * @internal The published types need none of Node's.
   */
  take(count: number): Worker[];
  /**
   * Takes back workers that ended their work without a failure.
   * @internal
   */
  give(workers: readonly Worker[]): void;
  /** Ends the idle workers and those given back later. */
  close(): Promise<void>;
}

// From source a worker must first learn TypeScript; see worker-boot.mjs.
const entry = new URL(import.meta.url.endsWith('.ts') ? './worker-boot.mjs' : './world-worker.js', import.meta.url);

/** Of every worker's JavaScript heap, as node:worker_threads has them. */
export interface HeapLimits {
  readonly maxOldGenerationSizeMb?: number;
  readonly maxYoungGenerationSizeMb?: number;
}

/** @throws PLATFORM_UNSUPPORTED where there is no library for the workers' math */
export function createPool(options: { readonly resourceLimits?: HeapLimits } = {}): WorldPool {
  libraryPath();
  disableTelemetry();
  const idle = new Set<Worker>();
  let closed = false;
  const start = (): Worker => {
    const worker = new Worker(entry, { ...options, execArgv: [] });
    // A worker that breaks while idle leaves quietly; one at work has its world's listeners too.
    worker.on('error', () => idle.delete(worker));
    worker.on('exit', () => idle.delete(worker));
    worker.setMaxListeners(20);
    return worker;
  };
  return {
    take(count) {
      const taken = [...idle].slice(0, count);
      for (const worker of taken) {
        idle.delete(worker);
        worker.ref();
      }
      while (taken.length < count) taken.push(start());
      return taken;
    },
    give(workers) {
      for (const worker of workers) {
        // A thread that has ended by itself has no id any more.
        if (worker.threadId < 0) continue;
        if (closed) void worker.terminate();
        else {
          worker.unref();
          idle.add(worker);
        }
      }
    },
    async close() {
      closed = true;
      const workers = [...idle];
      idle.clear();
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}
