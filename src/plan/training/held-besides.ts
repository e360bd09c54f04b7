// What frameworks hold of activations besides what the program does: scores of attention that writes them, masks of dropout, logits in fp32.
import { mixtureOf } from '../../model/config.ts';
import { formatBytes } from '../hardware/number-format.ts';
import type { ChunkSummary, LiveProfile, WorkKind } from '../summary/summary.ts';
import type { TrainingScenario } from './scenario.ts';

const nothing: LiveProfile = { peak: 0, net: 0 };

/** By which a chunk's profile grows, for a microbatch. */
export function heldBesides(scenario: TrainingScenario, { parts }: ChunkSummary): (kind: WorkKind) => LiveProfile {
  const blocks = parts.reduce((sum, { part, count }) => sum + (part.name === 'block' ? count : 0), 0);
  const hasHead = parts.some(({ part }) => part.name === 'head');
  const layer = layerBytes(scenario) - gatheredBytes(scenario);
  const kept = scenario.layout.recompute.policy === 'full' ? 0 : blocks * layer;
  /** Computed anew, those of one layer are there for a while. */
  const passing = scenario.layout.recompute.policy === 'full' ? Math.max(0, layer) : 0;
  const logits = hasHead ? logitBytes(scenario) : 0;
  return (kind) => {
    if (kind === 'forward') return { peak: kept, net: kept };
    if (kind === 'weightGradient') return nothing;
    return { peak: Math.max(passing, logits), net: -kept };
  };
}

/** Of a layer: softmax weights, and with dropout their mask and what is left of them; masks after attention and the MLP. */
function layerBytes({ config, layout, seqLen, microBatch, software }: TrainingScenario): number {
  const tokens = (microBatch * seqLen) / layout.cp;
  const scores = ((tokens * config.heads) / layout.tp) * seqLen;
  // A selection computes attention's scores anew first of all (Korthikanti et al., 2022).
  const keeps = software.attention === 'scores' && layout.recompute.policy !== 'selective';
  const perScore = keeps ? 2 + (software.dropout ? 3 : 0) : 0;
  const masks = software.dropout ? (2 * tokens * config.hiddenSize) / (layout.sp ? layout.tp : 1) : 0;
  return perScore * scores + (mixtureOf(config, 0) ? 0 : masks);
}

/** Of a layer: what is gathered over tp before attention and before the MLP, where only a rank's part of it is kept. */
function gatheredBytes({ config, layout, seqLen, microBatch, software, formats }: TrainingScenario): number {
  if (!layout.sp || !software.gathersAgain) return 0;
  const tokens = (microBatch * seqLen) / layout.cp;
  return 2 * tokens * config.hiddenSize * (1 - 1 / layout.tp) * formatBytes[formats.activations];
}

/** Logits are widened to fp32 for the loss, and so are their gradients: beside both in 16 bits. */
function logitBytes({ config, layout, seqLen, microBatch, software }: TrainingScenario): number {
  if (software.lossInBlocks) return 0;
  return (4 * microBatch * seqLen * config.vocabSize) / layout.cp / layout.tp;
}
