// `npm run test:deep -- <cases> <seed> [<ranks>]`: many more random models and layouts than the tests take, against one rank, in f64
// and f32. `npm run test:deep -- '<case>' ['<how>']` runs the one case that a failure printed.
import fc from 'fast-check';
import { createPool } from '../src/runtime/world-pool.ts';
import { compare, expectEqual, type Harder } from './compare-with-one-rank.ts';
import { caseOf, casesOf } from './random-cases.ts';

const pool = createPool();
const [first = '500', ...rest] = process.argv.slice(2);
try {
  for (const precision of ['f64', 'f32'] as const) {
    if (first.startsWith('{')) {
      const harder = rest[0] === undefined ? undefined : (JSON.parse(rest[0]) as Harder);
      const { what, size, allowed } = await compare(caseOf(first), precision, pool, harder);
      console.log(`${precision}: ${what} differs most, by ${size}; ${allowed} is allowed`);
      if (!(size <= allowed)) process.exitCode = 1;
      continue;
    }
    const [seed = 1, ranks = 16] = rest.map(Number);
    const numRuns = Number(first);
    await fc.assert(
      fc.asyncProperty(casesOf(ranks), (each) => expectEqual(each, precision, pool)),
      { numRuns, seed, endOnFailure: true, timeout: 120_000 },
    );
    console.log(
      `${numRuns} random models and layouts of up to ${ranks} ranks in ${precision} equal one rank, seed ${seed}`,
    );
  }
} finally {
  await pool.close();
}
