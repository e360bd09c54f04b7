// The layers of a model as serving sees them: which kinds there are, and how many of each.
import { type Latent, type Mixture, type ModelConfig, mixtureOf, windowOf } from '../../model/config.ts';

export type AttentionForm =
  | {
      readonly kind: 'grouped';
      readonly heads: number;
      readonly kvHeads: number;
      readonly headDim: number;
      /** Positions that a token looks at, itself included; undefined: all. */
      readonly window?: number;
    }
  /** What is kept of a token is one vector of keyValueRank + rotatedDim for all heads (see `Latent` of model/config.ts). */
  | ({ readonly kind: 'latent'; readonly heads: number } & Latent);

/** One kind of layer, and how many there are. */
export interface LayerForm {
  readonly attention: AttentionForm;
  /** Undefined: an MLP. */
  readonly mixture?: Mixture;
  readonly layers: number;
}

const known = new WeakMap<ModelConfig, readonly LayerForm[]>();

export function layerForms(config: ModelConfig): readonly LayerForm[] {
  const before = known.get(config);
  if (before) return before;
  const found = formsOf(config);
  known.set(config, found);
  return found;
}

function formsOf(config: ModelConfig): readonly LayerForm[] {
  const forms = new Map<string, LayerForm>();
  for (let layer = 0; layer < config.layers; layer++) {
    const mixture = mixtureOf(config, layer);
    const attention = attentionOf(config, layer);
    const key = `${mixture !== undefined} ${windowOf(config, layer)}`;
    const before = forms.get(key)?.layers ?? 0;
    forms.set(key, { attention, ...(mixture && { mixture }), layers: before + 1 });
  }
  return [...forms.values()];
}

function attentionOf(config: ModelConfig, layer: number): AttentionForm {
  const { heads, kvHeads, headDim, latent } = config;
  if (latent) return { kind: 'latent', heads, ...latent };
  const window = windowOf(config, layer);
  return { kind: 'grouped', heads, kvHeads, headDim, ...(window !== undefined && { window }) };
}
