// What a model is, whatever its family: sizes and switches.
import type { Routing } from '../ops/route.ts';

/** Experts in place of an MLP, of which every token has a few (Shazeer et al., "Outrageously large neural networks", 2017). */
export interface Mixture extends Routing {
  readonly experts: number;
  /** Of each expert, as `intermediateSize` of an MLP. */
  readonly intermediateSize: number;
  /** Of one more expert, which every token has. */
  readonly sharedIntermediateSize?: number;
  /** No gate of its own weighs it: it counts in full. */
  readonly sharedCountsInFull?: true;
  /** What the weights of a token's experts are multiplied by; undefined: nothing. */
  readonly weightScale?: number;
  /** Layers that have an MLP all the same. */
  readonly denseLayers: readonly number[];
  /** Experts have a bias that counts when they are chosen, and in no weight. */
  readonly chosenByBias?: true;
  /** The router's logits have a bias, and the matrices of experts have. */
  readonly biases?: true;
}

/** The model with biases by which experts are chosen, and a config.json that says so. */
export const withRouterBias = (config: ModelConfig): ModelConfig =>
  config.mixture && !config.mixture.chosenByBias
    ? {
        ...config,
        mixture: { ...config.mixture, chosenByBias: true },
        source: { ...config.source, [routerBiasKey]: true },
      }
    : config;

/** Of a config.json; no family of transformers has it. */
export const routerBiasKey = 'router_bias';

/**
 * Attention whose queries, keys and values are made of narrow vectors that all heads share (multi-head latent attention: DeepSeek-AI,
 * "DeepSeek-V2", 2024). The features of a head are `plainDim` that are not rotated, then `rotatedDim`; keys have the latter in common.
 */
export interface Latent {
  /** Features of what queries are made of; undefined: they are made of the layer's input. */
  readonly queryRank?: number;
  /** Features of what keys and values are made of. */
  readonly keyValueRank: number;
  readonly plainDim: number;
  readonly rotatedDim: number;
  readonly valueDim: number;
}

export interface ModelConfig {
  readonly family: string;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  /** Features of queries and keys. */
  readonly headDim: number;
  readonly intermediateSize: number;
  readonly norm: 'rms' | 'layer' | 'layer without bias';
  /** Added to the gains of all norms: 1 where they are stored as what they differ from 1 by. */
  readonly gainOffset: 0 | 1;
  readonly normEpsilon: number;
  /** What attention and MLP make is normed too, before it is added to the residual. */
  readonly postNorms?: true;
  /** What the embedding makes is normed. */
  readonly embeddingNorm?: true;
  /**
   * Learned: one vector a position, up to `max`. Rotary: angle per position of each pair of features, of those that are rotated: the
   * first of a head. None: attention alone may know of them.
   */
  readonly positions:
    | { readonly kind: 'learned'; readonly max: number }
    | { readonly kind: 'none'; readonly max: number }
    | {
        readonly kind: 'rotary';
        readonly frequencies: readonly number[];
        /** Of layers with a window; undefined: the same. */
        readonly windowFrequencies?: readonly number[];
        readonly max: number;
        /** Feature 2i pairs with 2i + 1; undefined: the first half with the second. */
        readonly interleaved?: true;
      };
  /** What the rows of the embedding are multiplied by. */
  readonly embeddingScale: number;
  readonly activation: 'swiglu' | 'geglu' | 'gelu' | 'squared relu';
  /** What scores of attention are multiplied by. */
  readonly attentionScale: number;
  readonly latent?: Latent;
  readonly qkvBias: boolean;
  readonly outputBias: boolean;
  readonly mlpBias: boolean;
  /** RMSNorm of every query and key head (Qwen 3). */
  readonly qkNorm: boolean;
  /** Every head has a score that stands for no token. */
  readonly sinks?: true;
  readonly mixture?: Mixture;
  readonly tiedHead: boolean;
  /** Sliding-window attention: positions a query sees, itself included. */
  readonly window?: number;
  /** Layers in which queries see all positions before them, whatever the window. */
  readonly wholeLayers?: readonly number[];
  /** Standard deviation of initial weights. */
  readonly initialStd: number;
  readonly weightOrder: 'out,in' | 'in,out';
  /** Keys of its config.json that are not known here, and so ignored: to be shown to whoever runs it. */
  readonly ignored: readonly string[];
  /** Dropout that its config.json asks for, e.g. `resid_pdrop=0.1`; applied nowhere (see keys.ts). */
  readonly dropout: readonly string[];
  /** Why it can be planned for but not run: what its program lacks, e.g. `its scores of attention are capped` (see plan-only.ts). */
  readonly planOnly?: string;
  /** The config.json it came from, saved with checkpoints. */
  readonly source: Readonly<Record<string, unknown>>;
}

/** The matrices of an MLP by its activation. */
export const mlpMatrices: Readonly<Record<ModelConfig['activation'], readonly ('gate' | 'up' | 'down')[]>> = {
  swiglu: ['gate', 'up', 'down'],
  geglu: ['gate', 'up', 'down'],
  gelu: ['up', 'down'],
  'squared relu': ['up', 'down'],
};

/** What a norm is made of. */
export const normParams: Readonly<Record<ModelConfig['norm'], readonly ('weight' | 'bias')[]>> = {
  rms: ['weight'],
  layer: ['weight', 'bias'],
  'layer without bias': ['weight'],
};

/** Features of a head's values. */
export const valueDimOf = ({ latent, headDim }: ModelConfig): number => latent?.valueDim ?? headDim;

/** The mixture of a layer; undefined: it has an MLP. */
export const mixtureOf = ({ mixture }: ModelConfig, layer: number): Mixture | undefined =>
  mixture?.denseLayers.includes(layer) ? undefined : mixture;

/** The window of a layer; undefined: all positions. */
export const windowOf = ({ window, wholeLayers }: ModelConfig, layer: number): number | undefined =>
  wholeLayers?.includes(layer) ? undefined : window;

/** Whether all layers are built alike, whichever they are. */
export const hasAlikeLayers = ({ mixture, wholeLayers }: ModelConfig): boolean => !mixture && !wholeLayers;

/** The first layer that is built like this one, which can stand for it. */
export function layerLike(config: ModelConfig, layer: number): number {
  if (hasAlikeLayers(config)) return 0;
  const isAlike = (other: number) =>
    (mixtureOf(config, other) === undefined) === (mixtureOf(config, layer) === undefined) &&
    windowOf(config, other) === windowOf(config, layer);
  let first = 0;
  while (!isAlike(first)) first++;
  return first;
}
