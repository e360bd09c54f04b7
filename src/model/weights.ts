// How many weights a model has, and what a token costs: counted from what its parameters are.
import { oneRank } from '../mesh/layout.ts';
import { elements } from '../program/program.ts';
import { layerLike, type ModelConfig, valueDimOf, windowOf } from './config.ts';
import { type ParamSpec, paramSpecs } from './params.ts';

/** The parameters of every layer by how they are built, with the number of layers that are. */
function layerKinds(config: ModelConfig): { readonly specs: readonly ParamSpec[]; readonly layers: number }[] {
  const counts = new Map<number, number>();
  for (let layer = 0; layer < config.layers; layer++) {
    const like = layerLike(config, layer);
    counts.set(like, (counts.get(like) ?? 0) + 1);
  }
  return [...counts].map(([layer, layers]) => ({
    specs: paramSpecs(config, oneRank, { name: 'block', layer }),
    layers,
  }));
}

const isExperts = ({ key }: ParamSpec): boolean => key.startsWith('experts.');

/** `share`: how much of a parameter counts. */
function count(config: ModelConfig, share: (spec: ParamSpec) => number): number {
  const of = (specs: readonly ParamSpec[]) => specs.reduce((sum, spec) => sum + share(spec) * elements(spec.shape), 0);
  const head = of(paramSpecs(config, oneRank, { name: 'head', layer: 0 }));
  return layerKinds(config).reduce((sum, { specs, layers }) => sum + layers * of(specs), head);
}

/** All parameters: of embedding and head that are tied, once. */
export function parameterCount(config: ModelConfig): number {
  const embedding = paramSpecs(config, oneRank, { name: 'embedding', layer: 0 });
  const tied = config.tiedHead ? config.vocabSize * config.hiddenSize : 0;
  const ofEmbedding = embedding.reduce((sum, { shape }) => sum + elements(shape), 0);
  return count(config, () => 1) + ofEmbedding - tied;
}

/** Weights of all matrices but the embedding's. */
export const matrixWeights = (config: ModelConfig): number => count(config, ({ decays }) => (decays ? 1 : 0));

/** Of them, those of experts. */
export const expertWeights = (config: ModelConfig): number =>
  count(config, (spec) => (spec.decays && isExperts(spec) ? 1 : 0));

/** Weights of matrices that a token is multiplied by, which of a mixture are its own experts': what 2 FLOPs a weight and token count. */
export function weightsOfToken(config: ModelConfig): number {
  const { experts = 1, perToken = 1 } = config.mixture ?? {};
  const all = count(config, (spec) => (spec.decays && !isExperts(spec) ? 1 : 0));
  return all + (expertWeights(config) * perToken) / experts;
}

/**
 * Model FLOPs of training on one token: 6 a matrix weight, and causal attention (half of the length × length scores):
 * 3 · heads · (headDim + valueDim) · length a layer. Recomputation and elementwise work are not counted (PaLM, appendix B).
 */
export function trainingFlopsPerToken(config: ModelConfig, seqLen: number): number {
  const perScore = 3 * config.heads * (config.headDim + valueDimOf(config));
  let flops = 6 * weightsOfToken(config);
  for (let layer = 0; layer < config.layers; layer++)
    flops += perScore * Math.min(seqLen, 2 * (windowOf(config, layer) ?? seqLen));
  return flops;
}
