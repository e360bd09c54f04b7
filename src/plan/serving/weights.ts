// Bytes of weights on a serving device, counted from what the model's parameters are.
import { oneRank } from '../../mesh/layout.ts';
import { layerLike, type ModelConfig } from '../../model/config.ts';
import { type ParamSpec, type PartName, paramSpecs, shardShape } from '../../model/params.ts';
import { elements } from '../../program/program.ts';
import { formatBytes, type NumberFormat } from '../hardware/number-format.ts';
import type { ServingFormats, ServingLayout } from './scenario.ts';

const attentionMatrices = ['q', 'k', 'v', 'qDown', 'kvDown', 'kv', 'output'].map((key) => `${key}.weight`);
const mlpMatrix = /^(shared\.)?(gate|up|down)\.weight$/;

/** Whose format a block's parameter has: norms, biases and routers are as wide as activations. */
function formatOf({ key, decays }: ParamSpec, formats: ServingFormats): NumberFormat {
  const { weights, experts = weights, attentionWeights = weights, activations } = formats;
  if (!decays) return activations;
  if (key.startsWith('experts.')) return experts;
  if (attentionMatrices.includes(key)) return attentionWeights;
  return mlpMatrix.test(key) ? weights : activations;
}

/** Bytes of a part of the model: tp cuts matrices, all ranks of a stage share experts out. */
function partBytes(
  config: ModelConfig,
  { tp, cp, dp }: ServingLayout,
  part: { readonly name: PartName; readonly layer: number },
  formats: ServingFormats,
): number {
  const layout = { ...oneRank, tp };
  return paramSpecs(config, layout, part).reduce((sum, spec) => {
    const numbers = spec.key.startsWith('experts.')
      ? elements(spec.shape) / (tp * cp * dp)
      : elements(shardShape(spec, layout));
    return sum + numbers * formatBytes[part.name === 'block' ? formatOf(spec, formats) : formats.activations];
  }, 0);
}

/** Bytes that a device of the stage which holds most has of weights: the last, with the head. */
export function weightBytes(config: ModelConfig, layout: ServingLayout, formats: ServingFormats): number {
  const { pp } = layout;
  const bytesOf = (name: PartName, layer = 0) => partBytes(config, layout, { name, layer }, formats);
  const known = new Map<number, number>();
  let layers = 0;
  for (let layer = 0; layer < config.layers; layer++) {
    const like = layerLike(config, layer);
    const bytes = known.get(like) ?? bytesOf('block', like);
    known.set(like, bytes);
    layers += bytes;
  }
  const tied = config.tiedHead
    ? (config.vocabSize * config.hiddenSize * formatBytes[formats.activations]) / layout.tp
    : 0;
  const ends = bytesOf('head') + (pp === 1 ? bytesOf('embedding') - tied : 0);
  return (layers * Math.ceil(config.layers / pp)) / config.layers + ends;
}
