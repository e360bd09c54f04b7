// A scenario with other software than its row says: as who knows less of it would have it predicted.
import type { Software } from '../src/plan/software/software.ts';
import { mixedPrecision, type TrainingScenario } from '../src/plan/training/scenario.ts';

export const withSoftware = (scenario: TrainingScenario, software: Software): TrainingScenario => ({
  ...scenario,
  software,
  formats: mixedPrecision(scenario.formats.products, software),
});
