// One rank a stage stands for all of its ranks: the same predictions as from every rank's own program.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { anyCase, nameOf, settingsOf } from '../../test/random-cases.ts';
import { worldSize } from '../mesh/mesh.ts';
import { buildTrainingStep } from '../step/training-step.ts';
import { predictRank } from './predict-step.ts';
import { byRank } from './stage-ranks.ts';

test('every rank is predicted as from its own program', () => {
  fc.assert(
    fc.property(anyCase, (given) => {
      const settings = settingsOf(given, 'f32');
      const predict = (rank: number) => predictRank(buildTrainingStep(settings, rank));
      const own = Array.from({ length: worldSize(settings.layout) }, (_, rank) => predict(rank));
      expect(byRank(settings, predict), nameOf(given)).toEqual(own);
    }),
    { numRuns: 20 },
  );
}, 60_000);
