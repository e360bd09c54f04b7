// Estimates from summaries are those of the programs: `npm run test:estimates` compares many more.
import fc from 'fast-check';
import { test } from 'vitest';
import { expectEstimated } from '../../../test/compare-estimates.ts';
import { anyCase, settingsOf } from '../../../test/random-cases.ts';

test('what every rank sends, computes and holds is what a walk of its program finds', () => {
  fc.assert(
    fc.property(anyCase, fc.constantFrom('f32' as const, 'f64' as const), (each, precision) =>
      expectEstimated(settingsOf(each, precision)),
    ),
    { numRuns: 70 },
  );
}, 120_000);
