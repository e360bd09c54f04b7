// The parameters of a block: of attention, of latent attention, and of an MLP or a mixture of experts.
import type { Shape } from '../program/program.ts';
import type { AxisType } from '../program/types.ts';
import { type Mixture, type ModelConfig, mixtureOf, mlpMatrices, valueDimOf } from './config.ts';
import type { MixtureNames, MlpNames, TensorNames } from './family.ts';
import {
  initialGain,
  type LinearDraft,
  linearSpecs,
  normSpecs,
  type ParamSpec,
  type Sharding,
  spec,
} from './param-spec.ts';

/** Whether each tp rank has key-value heads of its own; otherwise all hold all of them and slice what they need. */
export const kvSharded = (config: ModelConfig, layout: Sharding): boolean => config.kvHeads % layout.tp === 0;

interface Block {
  readonly config: ModelConfig;
  readonly layout: Sharding;
  readonly names: TensorNames;
  readonly layer: number;
}

export function blockSpecs(block: Block): ParamSpec[] {
  const { config, names, layer } = block;
  const { postNorms, latent } = config;
  const mixture = mixtureOf(config, layer);
  return [
    ...norm(block, 'norm1', names.norm1),
    ...(latent ? latentSpecs(block) : attentionSpecs(block)),
    ...(postNorms ? norm(block, 'postNorm1', names.postNorm1!) : []),
    ...norm(block, 'norm2', names.norm2),
    ...(mixture ? mixtureSpecs(block, mixture, names.mixture!) : mlpSpecs(block, config.intermediateSize, names)),
    ...(postNorms ? norm(block, 'postNorm2', names.postNorm2!) : []),
  ];
}

const at = (name: string, layer: number): string => name.replace('{}', `${layer}`);

const norm = ({ config, layout, layer }: Block, key: string, tensor: string, size?: number): ParamSpec[] =>
  normSpecs(config, layout, { key, tensor: at(tensor, layer), ...(size === undefined ? {} : { size }) });

const linear = ({ config, layout, layer }: Block, draft: LinearDraft): ParamSpec[] =>
  linearSpecs(config, layout, { ...draft, tensor: at(draft.tensor, layer) });

/** Projections into the residual start smaller with depth, as in GPT-2. */
const intoResidual = ({ config }: Block): number => config.initialStd / Math.sqrt(2 * config.layers);

const outputSpecs = (block: Block): ParamSpec[] => {
  const { config, names } = block;
  return linear(block, {
    ...{ key: 'output', tensor: names.output, inputs: config.heads * valueDimOf(config), outputs: config.hiddenSize },
    ...{ bias: config.outputBias, cut: 'in', std: intoResidual(block) },
  });
};

function attentionSpecs(block: Block): ParamSpec[] {
  const { config, layout, names, layer } = block;
  const { hiddenSize, heads, kvHeads, headDim } = config;
  const kvCut = kvSharded(config, layout) ? 'out' : 'none';
  const project = (key: string, tensor: string, count: number, cut: LinearDraft['cut']) =>
    linear(block, { key, tensor, inputs: hiddenSize, outputs: count * headDim, bias: config.qkvBias, cut });
  const headNorm = (key: string, tensor: string) =>
    spec(config, { key, tensor: at(tensor, layer), shape: [headDim], tp: 'R', initial: initialGain(config) }, 'weight');
  const sinks = () => spec(config, { key: 'sinks', tensor: at(names.sinks!, layer), shape: [heads], tp: 'V0' }, 'bias');
  return [
    ...project('q', names.q, heads, 'out'),
    ...project('k', names.k!, kvHeads, kvCut),
    ...project('v', names.v!, kvHeads, kvCut),
    ...(config.qkNorm ? [headNorm('qNorm', names.qNorm!), headNorm('kNorm', names.kNorm!)] : []),
    ...(config.sinks ? [sinks()] : []),
    ...outputSpecs(block),
  ];
}

/** What is narrow is on the residual side: all of it on every tp rank, of its own tokens under sp. */
function latentSpecs(block: Block): ParamSpec[] {
  const { config, names } = block;
  const { hiddenSize, heads, headDim, latent } = config;
  const { queryRank, keyValueRank, plainDim, rotatedDim, valueDim } = latent!;
  const own = names.latent!;
  const narrow = (key: string, tensor: string, outputs: number) =>
    linear(block, { key, tensor, inputs: hiddenSize, outputs, bias: false, cut: 'residual' });
  const wide = (key: string, tensor: string, inputs: number, outputs: number) =>
    linear(block, { key, tensor, inputs, outputs, bias: false, cut: 'out' });
  return [
    ...(queryRank === undefined
      ? wide('q', names.q, hiddenSize, heads * headDim)
      : [
          ...narrow('qDown', own.qDown, queryRank),
          ...norm(block, 'qDownNorm', own.qNorm, queryRank),
          ...wide('q', own.qUp, queryRank, heads * headDim),
        ]),
    ...narrow('kvDown', own.kvDown, keyValueRank + rotatedDim),
    ...norm(block, 'kvDownNorm', own.kvNorm, keyValueRank),
    ...wide('kv', own.kvUp, keyValueRank, heads * (plainDim + valueDim)),
    ...outputSpecs(block),
  ];
}

/** The matrices of an MLP so wide; those of a mixture's shared expert have keys of their own. */
function mlpSpecs(block: Block, width: number, of: MlpNames, prefix = ''): ParamSpec[] {
  const { activation, hiddenSize, mlpBias } = block.config;
  return mlpMatrices[activation].flatMap((matrix) => {
    const key = `${prefix}${matrix}`;
    return matrix === 'down'
      ? linear(block, {
          ...{ key, tensor: of.down, inputs: width, outputs: hiddenSize },
          ...{ bias: mlpBias, cut: 'in', std: intoResidual(block) },
        })
      : linear(block, { key, tensor: of[matrix]!, inputs: hiddenSize, outputs: width, bias: mlpBias, cut: 'out' });
  });
}

function mixtureSpecs(block: Block, mixture: Mixture, of: MixtureNames): ParamSpec[] {
  const { config, layer } = block;
  const { hiddenSize } = config;
  const { experts: count, intermediateSize: width, sharedIntermediateSize: shared, biases = false } = mixture;
  const expert = (key: string, name: string, shape: Shape, tp: AxisType, std?: number) =>
    spec(
      config,
      { key, tensor: at(name, layer), shape: [count, ...shape], isSpread: true, tp, ...(std ? { std } : {}) },
      'weight',
    );
  const bias = (key: string, name: string, size: number, tp: AxisType) =>
    spec(config, { key, tensor: at(name, layer), shape: [count, size], isSpread: true, tp }, 'bias');
  const router = (key: string, tensor: string, outputs: number, hasBias: boolean) =>
    linear(block, { key, tensor, inputs: hiddenSize, outputs, bias: hasBias, cut: 'none' });
  return [
    ...router('router', of.router, count, biases),
    ...(mixture.chosenByBias ? [choiceBias(config, at(of.router, layer), count)] : []),
    ...mlpMatrices[config.activation].flatMap((matrix) =>
      matrix === 'down'
        ? [
            expert('experts.down', of.down, [hiddenSize, width], 'V2', intoResidual(block)),
            ...(biases ? [bias('experts.down', of.down, hiddenSize, 'R')] : []),
          ]
        : [
            expert(`experts.${matrix}`, of[matrix]!, [width, hiddenSize], 'V1'),
            ...(biases ? [bias(`experts.${matrix}`, of[matrix]!, width, 'V1')] : []),
          ],
    ),
    ...(shared === undefined ? [] : mlpSpecs(block, shared, of.shared!, 'shared.')),
    ...(shared === undefined || mixture.sharedCountsInFull
      ? []
      : router('shared.router', of.shared!.router!, 1, false)),
  ];
}

/** By which experts are chosen. Named as that of DeepSeek-V3 is in transformers. */
function choiceBias(config: ModelConfig, router: string, experts: number): ParamSpec {
  const name = `${router}.e_score_correction_bias`;
  const draft = spec(config, { key: 'choice', tensor: router, shape: [experts], tp: 'R' }, 'bias');
  return { ...draft, name, tensor: { name, shape: [experts] }, byLoad: true };
}
