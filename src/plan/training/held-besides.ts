// What is alive of activations while a chunk works: what the program holds of each part, and what frameworks hold besides.
import type { Layout } from '../../mesh/layout.ts';
import type { RecomputePolicy } from '../../mesh/recompute.ts';
import { type ModelConfig, mixtureOf } from '../../model/config.ts';
import { paramSpecs, shardShape } from '../../model/params.ts';
import { elements } from '../../program/program.ts';
import { zeroOf } from '../../state/placement.ts';
import { formatBytes } from '../hardware/number-format.ts';
import { remember } from '../summary/known.ts';
import { inTurn, times } from '../summary/live.ts';
import type { LiveProfile, PartSummary, WorkKind } from '../summary/summary.ts';
import { keptOtherwise } from './kept-otherwise.ts';
import type { TrainingScenario } from './scenario.ts';

/** Of a part, what is alive while it works. */
export type LivePart = Pick<PartSummary, 'name' | 'layer' | 'policy'> &
  Readonly<Record<WorkKind, { readonly live: LiveProfile }>>;

/** Of a chunk, by the work on a microbatch. */
export function liveOf(
  scenario: TrainingScenario,
  { parts }: { readonly parts: readonly { readonly part: LivePart; readonly count: number }[] },
): (kind: WorkKind) => LiveProfile {
  const besides = partsBesides(
    scenario,
    parts.map(({ part }) => part),
  );
  return (kind) => {
    const inOrder = kind === 'forward' ? parts : parts.toReversed();
    return inTurn(
      inOrder.map(({ part, count }) => {
        const { live } = part[kind];
        const more = besides(part, kind);
        return times({ peak: live.peak + more.peak, net: live.net + more.net }, count);
      }),
    );
  };
}

function partsBesides(
  scenario: TrainingScenario,
  parts: readonly LivePart[],
): (part: LivePart, kind: WorkKind) => LiveProfile {
  if (scenario.software.plansMemory) return () => ({ peak: 0, net: 0 });
  const { ahead, behind } = blockBytes(scenario);
  const lasting = handedBytes(scenario, parts);
  const ends = endBytes(scenario, parts);
  const head = headBytes(scenario);
  return ({ name, layer, policy }, kind) => {
    // While an end works the program itself has gathered it.
    const there = lasting + ends.all - (name === 'block' ? 0 : ends.each);
    if (name !== 'block') return { peak: there + (name === 'head' && kind !== 'forward' ? head : 0), net: 0 };
    // Computed anew, what a layer keeps is there for a while.
    const again = policy === 'full' ? Math.max(0, keptOtherwise(scenario, layer, policy)) : 0;
    const kept = keptBesides(scenario, layer, policy);
    if (kind === 'forward') return { peak: there + ahead + Math.max(0, kept), net: kept };
    if (kind === 'weightGradient') return { peak: there + behind, net: 0 };
    return { peak: there + ahead + behind + again, net: -kept };
  };
}

/** Of a layer, between its passes: bytes more than the program keeps, or less. */
export const keptBesides = (scenario: TrainingScenario, layer: number, policy: RecomputePolicy): number =>
  scenario.software.plansMemory || policy === 'full' ? 0 : keptOtherwise(scenario, layer, policy);

/** Of a layer where ZeRO shares it out: parameters that are gathered while the layer before works, gradients that are scattered meanwhile. */
function blockBytes({ config, layout, formats, software }: TrainingScenario): { ahead: number; behind: number } {
  const zero = zeroOf(layout);
  if (zero < 2) return { ahead: 0, behind: 0 };
  const numbers = ofMatrices(config, layout, config.layers - 1, 1);
  return {
    ahead: zero === 3 && software.overlapsParameters ? numbers * formatBytes[formats.parameters] : 0,
    behind: software.overlapsGradients ? numbers * formatBytes[formats.gradients] : 0,
  };
}

/** The embedding and the head, where they are gathered for forward and not given up before backward. */
function endBytes(
  { config, layout, formats, software }: TrainingScenario,
  parts: readonly LivePart[],
): { all: number; each: number } {
  if (zeroOf(layout) < 3 || !software.overlapsParameters) return { all: 0, each: 0 };
  const each = ((config.vocabSize * config.hiddenSize) / layout.tp) * formatBytes[formats.parameters];
  return { each, all: each * parts.filter(({ name }) => name !== 'block').length };
}

/** Of each logit at the loss, of 16 bits themselves. */
const bytesPerLogit = {
  /** fp32 copies, logarithms of their softmax, and the gradients of both. */
  separate: 2 + 4 + 4 + 4,
  /** In fp32 their softmax, which becomes its gradient. */
  'in place': 2 + 4,
  /** Their gradient. */
  fused: 2 + 2,
} as const;

/**
 * Logits and what the loss makes of them; or after it, with their gradient, the head's own, which is made before it is added to
 * those that were. With tp the program hands logits from piece to piece, and counts them; without, they are inside one.
 */
function headBytes({ config, layout, seqLen, microBatch, formats, software }: TrainingScenario): number {
  if (software.loss === 'blocks') return 0;
  const logits = (microBatch * seqLen * config.vocabSize) / layout.cp / layout.tp;
  const weights = (config.vocabSize * config.hiddenSize) / layout.tp;
  const gradient = zeroOf(layout) < 2 ? weights * formatBytes[formats.parameters] : 0;
  const counted = layout.tp > 1 ? 2 : 0;
  return Math.max(logits * bytesPerLogit[software.loss], logits * bytesPerLogit.fused + gradient) - counted * logits;
}

/**
 * Gradients of a layer in the parameters' width, beside those that are summed up: they are made first and then added, or handed on
 * though nobody reads them (Transformer Engine, which keeps one of each shape). Of experts, which are alike, those of one.
 */
function handedBytes({ config, layout, formats }: TrainingScenario, parts: readonly LivePart[]): number {
  if (zeroOf(layout) >= 2) return 0;
  const layers = new Set(parts.flatMap(({ name, layer }) => (name === 'block' ? [layer] : [])));
  const ofLayer = (layer: number) =>
    ofMatrices(config, layout, layer, (mixtureOf(config, layer)?.experts ?? 1) / layout.ep);
  return formatBytes[formats.parameters] * Math.max(0, ...[...layers].map(ofLayer));
}

/** Numbers of a rank's matrices of a layer, of those of experts a part. */
const ofMatrices = (config: ModelConfig, layout: Layout, layer: number, partOfExperts: number): number =>
  remember(config, `matrices ${layout.tp} ${layout.ep} ${layer} ${partOfExperts}`, () => {
    let sum = 0;
    for (const spec of paramSpecs(config, layout, { name: 'block', layer }))
      if (spec.decays) sum += elements(shardShape(spec, layout)) / (spec.types.ep === 'V0' ? partOfExperts : 1);
    return sum;
  });
