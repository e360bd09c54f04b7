// Threads that the runs of a file of tests share.
import { afterAll } from 'vitest';
import { createPool, type WorldPool } from '../src/runtime/world-pool.ts';

/** Ended after the tests; before a folder that was made first is removed. */
export function sharedPool(): WorldPool {
  const pool = createPool();
  afterAll(() => pool.close());
  return pool;
}
