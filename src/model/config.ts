// What a model is, whatever its family: sizes and switches.
import type { Routing } from '../ops/route.ts';

/** Experts in place of an MLP, of which every token has a few (Shazeer et al., "Outrageously large neural networks", 2017). */
export interface Mixture extends Routing {
  readonly experts: number;
  /** Of each expert, as `intermediateSize` of an MLP. */
  readonly intermediateSize: number;
  /** Of one more expert, which every token has, weighed by a gate of its own. */
  readonly sharedIntermediateSize?: number;
  /** Layers that have an MLP all the same. */
  readonly denseLayers: readonly number[];
  /** Experts have a bias that counts when they are chosen, and in no weight. */
  readonly chosenByBias?: true;
}

/** The model with such biases, and a config.json that says so. */
export const withRouterBias = (config: ModelConfig): ModelConfig =>
  config.mixture
    ? {
        ...config,
        mixture: { ...config.mixture, chosenByBias: true },
        source: { ...config.source, [routerBiasKey]: true },
      }
    : config;

/** Of a config.json; no family of transformers has it. */
export const routerBiasKey = 'router_bias';

export interface ModelConfig {
  readonly family: string;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly intermediateSize: number;
  readonly norm: 'rms' | 'layer';
  /** Added to the gains of all norms: 1 where they are stored as what they differ from 1 by. */
  readonly gainOffset: 0 | 1;
  readonly normEpsilon: number;
  /** Learned: one vector a position, up to `max`. Rotary: angle per position of each pair of features. */
  readonly positions:
    | { readonly kind: 'learned'; readonly max: number }
    | { readonly kind: 'rotary'; readonly frequencies: readonly number[]; readonly max: number };
  /** What the rows of the embedding are multiplied by. */
  readonly embeddingScale: number;
  readonly activation: 'swiglu' | 'geglu' | 'gelu';
  readonly qkvBias: boolean;
  readonly outputBias: boolean;
  readonly mlpBias: boolean;
  /** RMSNorm of every query and key head (Qwen 3). */
  readonly qkNorm: boolean;
  readonly mixture?: Mixture;
  readonly tiedHead: boolean;
  /** Sliding-window attention: positions a query sees, itself included. */
  readonly window?: number;
  /** Standard deviation of initial weights. */
  readonly initialStd: number;
  readonly weightOrder: 'out,in' | 'in,out';
  /** Keys of its config.json that are not known here, and so ignored: to be shown to whoever runs it. */
  readonly ignored: readonly string[];
  /** Dropout that its config.json asks for, e.g. `resid_pdrop=0.1`; applied nowhere (see keys.ts). */
  readonly dropout: readonly string[];
  /** The config.json it came from, saved with checkpoints. */
  readonly source: Readonly<Record<string, unknown>>;
}

/** The matrices of an MLP by its activation. */
export const mlpMatrices: Readonly<Record<ModelConfig['activation'], readonly ('gate' | 'up' | 'down')[]>> = {
  swiglu: ['gate', 'up', 'down'],
  geglu: ['gate', 'up', 'down'],
  gelu: ['up', 'down'],
};

/** What a norm is made of. */
export const normParams: Readonly<Record<ModelConfig['norm'], readonly ('weight' | 'bias')[]>> = {
  rms: ['weight'],
  layer: ['weight', 'bias'],
};

/** The mixture of a layer; undefined: it has an MLP. */
export const mixtureOf = ({ mixture }: ModelConfig, layer: number): Mixture | undefined =>
  mixture?.denseLayers.includes(layer) ? undefined : mixture;

/** The first layer that is built like this one, which can stand for it. */
export function layerLike(config: ModelConfig, layer: number): number {
  if (!config.mixture) return 0;
  const isDense = mixtureOf(config, layer) === undefined;
  let first = 0;
  while ((mixtureOf(config, first) === undefined) !== isDense) first++;
  return first;
}

/** Weights of all matrices, or of those that a token is multiplied by, which of a mixture are its own experts'. */
function countWeights(config: ModelConfig, expertsOf: (mixture: Mixture) => number): number {
  const { hiddenSize, heads, kvHeads, headDim, intermediateSize, layers, vocabSize, activation } = config;
  const mlp = (width: number) => hiddenSize * width * mlpMatrices[activation].length;
  const mixtureWeights = (mixture: Mixture): number => {
    const { experts, sharedIntermediateSize: shared } = mixture;
    const ofShared = shared === undefined ? 0 : mlp(shared) + hiddenSize;
    return hiddenSize * experts + expertsOf(mixture) * mlp(mixture.intermediateSize) + ofShared;
  };
  let weights = hiddenSize * vocabSize + layers * hiddenSize * headDim * (2 * heads + 2 * kvHeads);
  for (let layer = 0; layer < layers; layer++) {
    const mixture = mixtureOf(config, layer);
    weights += mixture ? mixtureWeights(mixture) : mlp(intermediateSize);
  }
  return weights;
}

export const matrixWeights = (config: ModelConfig): number => countWeights(config, ({ experts }) => experts);

/** Of them, those of experts. */
export const expertWeights = (config: ModelConfig): number => matrixWeights(config) - countWeights(config, () => 0);

/** Weights of matrices that a token is multiplied by: what 2 FLOPs a weight and token count. */
export const weightsOfToken = (config: ModelConfig): number => countWeights(config, ({ perToken }) => perToken);

/**
 * Model FLOPs of training on one token: 6 a matrix weight, and causal attention (half of the length × length scores):
 * 6 · layers · heads · headDim · length. Recomputation and elementwise work are not counted (PaLM, appendix B).
 */
export function trainingFlopsPerToken(config: ModelConfig, seqLen: number): number {
  const seen = Math.min(seqLen, 2 * (config.window ?? seqLen));
  return 6 * weightsOfToken(config) + 6 * config.layers * config.heads * config.headDim * seen;
}
