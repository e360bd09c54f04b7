// Starts the worker from TypeScript source (development and tests); the built package starts world-worker.js itself.
import { register } from 'node:module';

process.setSourceMapsEnabled(true);
register('../../tools/typescript-hooks.mjs', import.meta.url);
await import('./world-worker.ts');
