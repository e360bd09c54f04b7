// The keys of a config.json that say how far attention sees in each layer.
import type { ModelConfig } from './config.ts';
import { unsupported } from './family.ts';

interface WindowKeys {
  readonly num_hidden_layers: number;
  readonly sliding_window?: number | null | undefined;
  readonly sliding_window_pattern?: number | null | undefined;
  readonly layer_types?: readonly string[] | null | undefined;
}

interface Windowed {
  readonly windowed: boolean;
  readonly wholeEvery?: number;
}

const [whole, sliding] = ['full_attention', 'sliding_attention'];

/** CONFIG_INVALID for layers that the family cannot have. */
export function readWindows(
  raw: WindowKeys,
  { windowed, wholeEvery }: Windowed,
  path: string,
): Pick<ModelConfig, 'window' | 'wholeLayers'> {
  if (windowed && raw.sliding_window === 0) unsupported(path, 'sliding_window', '0', 'null for none');
  const window = windowed ? (raw.sliding_window ?? undefined) : undefined;
  const kind = window === undefined ? whole : sliding;
  const allowed = wholeEvery === undefined ? [kind] : [whole, kind];
  const other = raw.layer_types?.find((type) => !allowed.includes(type));
  if (other !== undefined) unsupported(path, 'layer_types', other, `${kind} in every layer`);
  if (window === undefined) return {};
  if (wholeEvery === undefined) return { window };
  const every = raw.sliding_window_pattern ?? wholeEvery;
  const isWhole = (layer: number) => (raw.layer_types ? raw.layer_types[layer] === whole : (layer + 1) % every === 0);
  const layers = Array.from({ length: raw.num_hidden_layers }, (_, layer) => layer);
  return { window, wholeLayers: layers.filter(isWhole) };
}
