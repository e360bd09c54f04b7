// Starts a worker from TypeScript source (development and tests): a rank's, or the module that it is told. The built package starts
// the built modules themselves.
import { register } from 'node:module';
import { workerData } from 'node:worker_threads';

process.setSourceMapsEnabled(true);
register('../../tools/typescript-hooks.mjs', import.meta.url);
await import(workerData?.module ?? './world-worker.ts');
