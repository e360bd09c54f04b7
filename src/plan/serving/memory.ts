// Bytes of a serving device: weights, buffers, and what is left for keys and values.
import { type ModelConfig, mlpMatrices } from '../../model/config.ts';
import type { Device } from '../hardware/device.ts';
import { formatBytes } from '../hardware/number-format.ts';
import type { EnginePolicy } from './engines.ts';
import { type AttentionForm, type LayerForm, layerForms } from './layer-forms.ts';
import type { ServingFormats, ServingLayout, ServingMemory } from './scenario.ts';

/** The context of the device, collectives' buffers and captured graphs. */
const fixedBytes = 2.5 * 2 ** 30;

const share = (whole: number, ranks: number): number => Math.max(1, Math.ceil(whole / ranks));

/** Elements of attention's matrices on one rank of tp. */
function attentionElements(form: AttentionForm, hidden: number, tp: number): number {
  const heads = share(form.heads, tp);
  if (form.kind === 'grouped') return hidden * form.headDim * 2 * (heads + share(form.kvHeads, tp));
  const { queryRank = 0, keyValueRank, rotatedDim, plainDim, valueDim } = form;
  const queries = heads * (plainDim + rotatedDim);
  const ofQueries = queryRank > 0 ? queryRank * (hidden + queries) : hidden * queries;
  return (
    ofQueries +
    hidden * (keyValueRank + rotatedDim) +
    keyValueRank * heads * (plainDim + valueDim) +
    heads * valueDim * hidden
  );
}

/** Bytes of one layer's weights on a device. */
function layerBytes(form: LayerForm, config: ModelConfig, layout: ServingLayout, formats: ServingFormats): number {
  const { tp, cp, dp } = layout;
  const { hiddenSize, intermediateSize, activation } = config;
  const { weights, experts = weights, attentionWeights = weights, activations } = formats;
  const matrices = mlpMatrices[activation].length;
  const attention = attentionElements(form.attention, hiddenSize, tp) * formatBytes[attentionWeights];
  const mlp = (width: number) => matrices * hiddenSize * share(width, tp) * formatBytes[weights];
  if (!form.mixture) return attention + mlp(intermediateSize);
  const { experts: count, intermediateSize: width, sharedIntermediateSize: shared } = form.mixture;
  const own = (count * matrices * hiddenSize * width * formatBytes[experts]) / (tp * cp * dp);
  const router = count * hiddenSize * formatBytes[activations];
  return attention + own + router + (shared === undefined ? 0 : mlp(shared));
}

/** Bytes that a device of the stage that holds most has of weights: the last, with the head. */
export function weightBytes(config: ModelConfig, layout: ServingLayout, formats: ServingFormats): number {
  const { tp, pp } = layout;
  const layers = layerForms(config).reduce(
    (sum, form) => sum + form.layers * layerBytes(form, config, layout, formats),
    0,
  );
  const end = config.vocabSize * config.hiddenSize * formatBytes[formats.activations];
  const ends = pp === 1 && !config.tiedHead ? 2 * end : end;
  return (layers * Math.ceil(config.layers / pp)) / config.layers + ends / tp;
}

/** Bytes of keys and values that a device holds of a request of so many tokens. */
export function cacheBytes(
  config: ModelConfig,
  { tp, pp, cp }: ServingLayout,
  { cache }: ServingFormats,
  tokens: number,
): number {
  const bytes = layerForms(config).reduce((sum, { attention, layers }) => {
    const ofToken =
      attention.kind === 'latent'
        ? attention.keyValueRank + attention.rotatedDim
        : 2 * share(attention.kvHeads, tp) * attention.headDim;
    const window = attention.kind === 'grouped' ? attention.window : undefined;
    return sum + layers * ofToken * Math.min(tokens, window ?? tokens);
  }, 0);
  return (bytes * formatBytes[cache]) / (pp * cp);
}

export interface MemorySetting {
  readonly config: ModelConfig;
  readonly device: Device;
  readonly layout: ServingLayout;
  readonly formats: ServingFormats;
  readonly policy: EnginePolicy;
  /** Tokens of a request when it is done. */
  readonly requestTokens: number;
}

/** What a device holds, and how many tokens of requests of this length the instance has room for. */
export function servingMemory(setting: MemorySetting): ServingMemory {
  const { config, device, layout, formats, policy, requestTokens } = setting;
  const weights = weightBytes(config, layout, formats);
  const widest = Math.max(config.intermediateSize, config.mixture ? config.mixture.perToken * config.hiddenSize : 0);
  const activations = policy.promptTokens * (4 * config.hiddenSize + (2 * widest) / layout.tp);
  const buffers = fixedBytes + activations * formatBytes[formats.activations];
  const cache = Math.max(0, device.memoryBytes * policy.memoryShare - weights - buffers);
  const ofRequest = cacheBytes(config, layout, formats, requestTokens);
  return { weights, buffers, cache, cacheTokens: ((cache * requestTokens) / ofRequest) * layout.dp };
}
