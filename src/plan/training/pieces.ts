// ZeRO 1 whose shares are parts of every tensor (Nanotron): what ranks have updated comes back piece by piece.
import { paramSpecs } from '../../model/params.ts';
import { zeroOf } from '../../state/placement.ts';
import type { StageSummary } from '../summary/summary.ts';
import type { TrainingScenario } from './scenario.ts';
import { type TrainingParameters, trainingParameters } from './training-parameters.ts';

/** Seconds in which the host launches a copy of every rank's part of every tensor of a stage into its place: they are short. */
export function pieceSeconds(
  { chunks }: StageSummary,
  { config, layout, software }: TrainingScenario,
  { launchSeconds }: TrainingParameters = trainingParameters,
): number {
  if (!software.copiesPieces || zeroOf(layout) !== 1) return 0;
  const tensors = chunks
    .flatMap(({ parts }) => parts)
    .reduce((sum, { part, count }) => sum + count * paramSpecs(config, layout, part).length, 0);
  // Copies one after another have neither modules nor gradients that an interpreter goes through.
  return tensors * layout.dp * layout.cp * launchSeconds.compiled;
}
