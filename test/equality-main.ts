// `npm run equality -- <cases> <seed>`: many more random models and layouts than the tests take, against one rank, in f64 and f32.
import fc from 'fast-check';
import { createPool } from '../src/runtime/world-pool.ts';
import { expectEqual } from './compare-with-one-rank.ts';
import { anyCase } from './random-cases.ts';

const [numRuns = 1000, seed = 1] = process.argv.slice(2).map(Number);
const pool = createPool();
try {
  for (const precision of ['f64', 'f32'] as const) {
    await fc.assert(
      fc.asyncProperty(anyCase, (each) => expectEqual(each, precision, pool)),
      { numRuns, seed, endOnFailure: true, timeout: 60_000 },
    );
    console.log(`${numRuns} random models and layouts in ${precision} equal one rank`);
  }
} finally {
  await pool.close();
}
