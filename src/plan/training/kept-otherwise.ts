// Of a layer, what frameworks keep otherwise than the program between its passes: bytes on a rank, of a microbatch.
import type { RecomputePolicy } from '../../mesh/recompute.ts';
import { mixtureOf, valueDimOf } from '../../model/config.ts';
import { formatBytes } from '../hardware/number-format.ts';
import type { TrainingScenario } from './scenario.ts';
import { notSelected } from './selection.ts';

/** More than the program keeps of `layer`, or less. */
export function keptOtherwise(scenario: TrainingScenario, layer: number, policy: RecomputePolicy): number {
  const { formats } = scenario;
  const kept = scoreBytes(scenario, layer, policy) - gathered(scenario) * formatBytes[formats.activations];
  if (policy === 'selective')
    return kept - tokensOf(scenario) * notSelected(scenario) * formatBytes[formats.activations];
  return kept - merged(scenario) * formatBytes[formats.activations];
}

const tokensOf = ({ layout, seqLen, microBatch }: TrainingScenario): number => (microBatch * seqLen) / layout.cp;

/** Softmax weights, and with dropout their mask and what is left of them; masks after attention and the MLP. */
function scoreBytes(scenario: TrainingScenario, layer: number, policy: RecomputePolicy): number {
  const { config, layout, seqLen, software } = scenario;
  const tokens = tokensOf(scenario);
  const scores = ((tokens * config.heads) / layout.tp) * seqLen;
  // A selection computes attention's scores anew first of all (Korthikanti et al., 2022).
  const keeps = software.attention === 'scores' && policy !== 'selective';
  const perScore = keeps ? 2 + (software.dropout ? 3 : 0) : 0;
  const masks = software.dropout ? (2 * tokens * config.hiddenSize) / (layout.sp ? layout.tp : 1) : 0;
  return perScore * scores + (mixtureOf(config, layer) ? 0 : masks);
}

/** Numbers that are gathered over tp before attention and before the MLP, where only a rank's part of them is kept. */
function gathered(scenario: TrainingScenario): number {
  const { config, layout, software } = scenario;
  if (!layout.sp || !software.gathersAgain) return 0;
  return 2 * tokensOf(scenario) * config.hiddenSize * (1 - 1 / layout.tp);
}

/** Attention's output with heads side by side, which the program makes a copy of: to others it is the same memory. */
const merged = (scenario: TrainingScenario): number =>
  (tokensOf(scenario) * scenario.config.heads * valueDimOf(scenario.config)) / scenario.layout.tp;
