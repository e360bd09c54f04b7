// Worker threads kept between worlds: starting one costs far more than a small world does.
import { Worker } from 'node:worker_threads';
import { settleHeap, trimHeap } from './c-heap.ts';
import { rankMark } from './is-rank.ts';
import type { SharedWasmMemory } from './kernels/wasm.ts';
import { onnxRuntime } from './onnx/api.ts';
import { libraryPath } from './onnx/library.ts';
import { disableTelemetry } from './onnx/telemetry.ts';
import { createHeap, emptyHeap, heapsPerRank } from './transport/threads/heaps.ts';

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
  /**
   * Takes empty heaps for the registered memory of a world's ranks, some for each.
   * @internal
   */
  takeHeaps(ranks: number): SharedWasmMemory[][];
  /**
   * Takes back heaps that no thread uses any more, and gives their memory back to the machine.
   * @internal
   */
  giveHeaps(heaps: readonly (readonly SharedWasmMemory[])[]): void;
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

/**
 * A worker whose heap is full gets 16 MB more to end in. From Node 24 its young generation may hold more than that, and then V8 ends
 * the whole process (https://github.com/nodejs/node/issues/47224). Ranks hardly use it: their numbers lie outside the heap.
 */
const youngGeneration = { maxYoungGenerationSizeMb: 16 } as const satisfies HeapLimits;

/** @throws PLATFORM_UNSUPPORTED where there is no library for the workers' math */
export function createPool(options: { readonly resourceLimits?: HeapLimits } = {}): WorldPool {
  libraryPath();
  disableTelemetry();
  const resourceLimits = { ...youngGeneration, ...options.resourceLimits };
  const idle = new Set<Worker>();
  // Workers may hold on to a heap until their garbage is collected: it is used again, so that address space does not run out.
  const heaps: SharedWasmMemory[] = [];
  let closed = false;
  const start = (): Worker => {
    const worker = new Worker(entry, { resourceLimits, execArgv: [], workerData: rankMark });
    // A worker that breaks while idle leaves quietly; one at work has its world's listeners too.
    worker.on('error', () => idle.delete(worker));
    worker.on('exit', () => idle.delete(worker));
    worker.setMaxListeners(20);
    return worker;
  };
  return {
    take(count) {
      // Those that have worked longest: they have compiled most of what a rank runs.
      const taken = [...idle].sort((a, b) => a.threadId - b.threadId).slice(0, count);
      for (const worker of taken) {
        idle.delete(worker);
        worker.ref();
      }
      while (taken.length < count) taken.push(start());
      try {
        // While they start. Here it stays loaded: what a thread made in it may outlive the thread.
        onnxRuntime();
        settleHeap();
      } catch (error) {
        for (const worker of taken) void worker.terminate();
        throw error;
      }
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
    takeHeaps(ranks) {
      const take = (): SharedWasmMemory => heaps.pop() ?? createHeap();
      return Array.from({ length: ranks }, () => Array.from({ length: heapsPerRank(ranks) }, take));
    },
    giveHeaps(given) {
      for (const heap of given.flat()) if (emptyHeap(heap) && !closed) heaps.push(heap);
    },
    async close() {
      closed = true;
      heaps.length = 0;
      const workers = [...idle];
      idle.clear();
      await Promise.all(workers.map((worker) => worker.terminate()));
      trimHeap();
    },
  };
}
