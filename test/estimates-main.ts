// `npm run test:estimates -- <cases> <seed> [<ranks>]`: estimates of many more random models and layouts than the tests take, against a walk
// of every rank's program. `npm run test:estimates -- '<case>'` compares the one that a failure printed.
import fc from 'fast-check';
import { expectEstimated } from './compare-estimates.ts';
import { caseOf, casesOf, nameOf, settingsOf } from './random-cases.ts';

const [first = '500', ...rest] = process.argv.slice(2);
const [seed = 1, ranks = 8] = rest.map(Number);
const cases = first.startsWith('{') ? [caseOf(first)] : fc.sample(casesOf(ranks), { numRuns: Number(first), seed });
let failed = 0;
for (const each of cases)
  try {
    expectEstimated(settingsOf(each, 'f32'));
  } catch (error) {
    failed += 1;
    console.log(`${nameOf(each)}\n${(error as Error).message}`);
  }
console.log(
  `${cases.length} random models and layouts of up to ${ranks} ranks, seed ${seed}: ${failed} estimated wrong`,
);
process.exitCode = failed > 0 ? 1 : 0;
