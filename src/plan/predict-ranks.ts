// Predicts every rank of a training run from one rank of each kind.
import { coordsOf, rankAt, worldSize } from '../mesh/mesh.ts';
import type { StepSettings } from '../step/settings.ts';
import { buildTrainingStep } from '../step/training-step.ts';
import { predictRank, type RankPrediction } from './predict-step.ts';

/**
 * One step of every rank. The ranks of a stage do alike work: their programs differ in the slices they take and in whom they talk
 * to, not in shapes, so the first rank of a stage stands for all of it.
 */
export function predictRanks(settings: StepSettings): RankPrediction[] {
  const { layout } = settings;
  const byStage = Array.from({ length: layout.pp }, (_, pp) =>
    predictRank(buildTrainingStep(settings, rankAt(layout, { tp: 0, cp: 0, ep: 0, dp: 0, pp }))),
  );
  return Array.from({ length: worldSize(layout) }, (_, rank) => byStage[coordsOf(layout, rank).pp]!);
}
