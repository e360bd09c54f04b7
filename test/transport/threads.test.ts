// The threads transport passes the conformance suite.
import { afterAll, describe, test } from 'vitest';
import { runWorld } from '../../src/runtime/world.ts';
import { createPool } from '../../src/runtime/world-pool.ts';
import { transportConformance } from './conformance.ts';

const pool = createPool();
afterAll(() => pool.close());

describe('threads', () => {
  const rankModule = new URL('./conformance-rank.ts', import.meta.url);
  const checks = transportConformance((plan, program, args) =>
    runWorld({ plan, rankModule, jobs: Array.from({ length: plan.size }, () => ({ program, args })), pool }),
  );
  for (const { name, check } of checks) test(name, check);
});
