// Bytes of a serving device: weights, buffers, and what is left for keys and values.
import type { ModelConfig } from '../../model/config.ts';
import type { Device } from '../hardware/device.ts';
import { formatBytes } from '../hardware/number-format.ts';
import type { EnginePolicy } from './engines.ts';
import { layerForms } from './layer-forms.ts';
import type { ServingFormats, ServingLayout, ServingMemory } from './scenario.ts';
import { weightBytes } from './weights.ts';

/** The context of the device, collectives' buffers and captured graphs. */
const fixedBytes = 2.5 * 2 ** 30;

const share = (whole: number, ranks: number): number => Math.max(1, Math.ceil(whole / ranks));

/** Bytes of keys and values that a device holds of a request of so many tokens. */
export function cacheBytes(
  config: ModelConfig,
  { tp, pp, cp }: ServingLayout,
  { cache }: ServingFormats,
  tokens: number,
  keepsWindows = true,
): number {
  const bytes = layerForms(config).reduce((sum, { attention, layers }) => {
    const ofToken =
      attention.kind === 'latent'
        ? attention.keyValueRank + attention.rotatedDim
        : 2 * share(attention.kvHeads, tp) * attention.headDim;
    const window = keepsWindows && attention.kind === 'grouped' ? attention.window : undefined;
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
  const left = device.memoryBytes * policy.memoryShare - weights - buffers;
  const cache = Math.max(0, left * policy.cacheShare);
  const ofRequest = cacheBytes(config, layout, formats, requestTokens, policy.keepsWindows);
  return { weights, buffers, cache, cacheTokens: ((cache * requestTokens) / ofRequest) * layout.dp };
}
