// A thread beside the ranks that runs a module of its own, from source or built.
import { Worker } from 'node:worker_threads';

/** From source a worker must first learn TypeScript; see worker-boot.mjs. */
export const startThread = (module: URL): Worker =>
  module.pathname.endsWith('.ts')
    ? new Worker(new URL('./worker-boot.mjs', import.meta.url), { workerData: { module: module.href }, execArgv: [] })
    : new Worker(module, { execArgv: [] });
