// Starts the worker from TypeScript source (development and tests); the built package starts world-worker.js itself.
import { register } from 'tsx/esm/api';

register();
await import('./world-worker.ts');
