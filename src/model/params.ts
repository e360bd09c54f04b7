// The parameters of a model as specs: what each is called, how it is cut over the mesh and how it starts.
// Shards, initial values, checkpoints and the finishing of gradients all come from the spec.
import type { Layout } from '../mesh/layout.ts';
import type { Coords, Mesh } from '../mesh/mesh.ts';
import type { Shape, Value } from '../program/program.ts';
import { type AxisType, type Types, typedAxes } from '../program/types.ts';
import { type Mixture, type ModelConfig, mixtureOf, mlpMatrices, normParams } from './config.ts';
import { tensorNames } from './families.ts';
import type { MixtureNames, MlpNames, TensorNames } from './family.ts';

/** What a stage is made of. */
export type PartName = 'embedding' | 'block' | 'head';
/** One part of the model; `layer` is the block's number. */
export interface Part {
  readonly name: PartName;
  readonly layer: number;
}

export interface ParamSpec {
  /** The part's own name for it, e.g. `q.weight`. */
  readonly key: string;
  /** Unique in the model: the checkpoint tensor's name, with `#q` behind it when it is a piece of a fused one. */
  readonly name: string;
  /**
   * The checkpoint tensor it is stored in, and its shape there. With `{}` in the name every index of the parameter's first dim has a
   * tensor, whose name has the index in that place and whose dims are the others.
   */
  readonly tensor: { readonly name: string; readonly shape: Shape };
  /** The part of the tensor it is: elements [start, start + shape[dim]) of `dim`; undefined: all. */
  readonly piece?: { readonly dim: number; readonly start: number };
  /** Its whole shape, without the rows that pad a vocabulary. */
  readonly shape: Shape;
  /** Its whole shape with padding: what is cut evenly over tp. */
  readonly paddedShape: Shape;
  /** How it lies over every axis when a program computes with it. */
  readonly types: Types;
  readonly initial: 'normal' | 'zeros' | 'ones';
  /** Standard deviation for `normal`. */
  readonly std: number;
  /** Whether AdamW decays it: matrices, not norms and biases. */
  readonly decays: boolean;
  /** It has no gradient, and is moved by how many slots experts had. A checkpoint may be without it: it is zero then. */
  readonly byLoad?: true;
}

/** A part's parameters by key. */
export type Params = Readonly<Record<string, Value>>;

/** What of a layout decides how parameters are cut in a program. */
type Sharding = Pick<Layout, 'tp' | 'sp'>;

/** The vocabulary's rows after padding to whole shards. */
export const paddedVocab = (config: ModelConfig, layout: Sharding): number =>
  Math.ceil(config.vocabSize / layout.tp) * layout.tp;

/** Whether each tp rank has key-value heads of its own; otherwise all hold all of them and slice what they need. */
export const kvSharded = (config: ModelConfig, layout: Sharding): boolean => config.kvHeads % layout.tp === 0;

/** The specs of a part, in the order in which they are stored, initialised and reduced. Of a layout they depend on tp and sp alone. */
export function paramSpecs(config: ModelConfig, layout: Sharding, part: Part): readonly ParamSpec[] {
  const ofModel = known.get(config) ?? new Map<string, readonly ParamSpec[]>();
  known.set(config, ofModel);
  const key = `${layout.tp} ${layout.sp} ${part.name} ${part.layer}`;
  const found = ofModel.get(key) ?? specsOf(config, layout, part);
  ofModel.set(key, found);
  return found;
}

const known = new WeakMap<ModelConfig, Map<string, readonly ParamSpec[]>>();

function specsOf(config: ModelConfig, layout: Sharding, part: Part): readonly ParamSpec[] {
  const names = tensorNames(config);
  switch (part.name) {
    case 'embedding':
      return embeddingSpecs(config, layout, names);
    case 'block':
      return blockSpecs(config, layout, names, part.layer);
    case 'head':
      return headSpecs(config, layout, names);
  }
}

interface Draft {
  readonly key: string;
  readonly tensor: string;
  readonly shape: Shape;
  /** Its first dim is of experts: spread over tensors, by the `{}` in the name, and over ep. */
  readonly isSpread?: boolean;
  readonly tp: AxisType;
  readonly initial?: ParamSpec['initial'];
  readonly std?: number;
  readonly paddedShape?: Shape;
}

function spec(config: ModelConfig, draft: Draft, suffix: 'weight' | 'bias'): ParamSpec {
  const { key, shape } = draft;
  const [, base = draft.tensor, index, of] = /^(.*)\[(\d+)\/(\d+)\]$/.exec(draft.tensor) ?? [];
  const name = `${base}.${suffix}`;
  const outDim = shape.length === 2 && config.weightOrder === 'in,out' ? 1 : 0;
  const stored = draft.isSpread ? shape.slice(1) : shape;
  const tensorShape = of === undefined ? stored : shape.map((size, dim) => (dim === outDim ? size * Number(of) : size));
  return {
    key: `${key}.${suffix}`,
    name: of === undefined ? name : `${name}#${key}`,
    tensor: { name, shape: tensorShape },
    ...(of === undefined ? {} : { piece: { dim: outDim, start: Number(index) * shape[outDim]! } }),
    shape,
    paddedShape: draft.paddedShape ?? shape,
    types: { tp: draft.tp, cp: 'R', ep: draft.isSpread ? 'V0' : 'R', dp: 'R' },
    initial: draft.initial ?? (suffix === 'bias' ? 'zeros' : 'normal'),
    std: draft.std ?? config.initialStd,
    decays: shape.length > 1,
  };
}

/** What all tp ranks use on a residual: each on its own slice of the sequence under sp, otherwise alike. */
const onResidual = (layout: Sharding): AxisType => (layout.sp ? 'R' : 'I');

/** Gains start at 1 in all. */
const initialGain = ({ gainOffset }: ModelConfig): ParamSpec['initial'] => (gainOffset === 0 ? 'ones' : 'zeros');

function normSpecs(config: ModelConfig, layout: Sharding, key: string, tensor: string): ParamSpec[] {
  const draft = { key, tensor, shape: [config.hiddenSize], tp: onResidual(layout) } as const;
  const initial = { weight: initialGain(config), bias: 'zeros' } as const;
  return normParams[config.norm].map((part) => spec(config, { ...draft, initial: initial[part] }, part));
}

/** A linear layer's weight and bias; `cut` says which side is sharded over tp. */
function linearSpecs(
  config: ModelConfig,
  layout: Sharding,
  draft: {
    key: string;
    tensor: string;
    inputs: number;
    outputs: number;
    bias: boolean;
    cut: 'out' | 'in' | 'none';
    std?: number;
  },
): ParamSpec[] {
  const { key, tensor, inputs, outputs, bias, cut } = draft;
  const outFirst = config.weightOrder === 'out,in';
  const dim = (cut === 'out') === outFirst ? 0 : 1;
  const weight = spec(
    config,
    {
      key,
      tensor,
      shape: outFirst ? [outputs, inputs] : [inputs, outputs],
      tp: cut === 'none' ? 'R' : `V${dim}`,
      ...(draft.std ? { std: draft.std } : {}),
    },
    'weight',
  );
  if (!bias) return [weight];
  const biasType = cut === 'out' ? 'V0' : cut === 'none' ? 'R' : onResidual(layout);
  return [weight, spec(config, { key, tensor, shape: [outputs], tp: biasType }, 'bias')];
}

function embeddingSpecs(config: ModelConfig, layout: Sharding, names: TensorNames): ParamSpec[] {
  const table = vocabularySpec(config, layout, 'table', names.embedding);
  if (config.positions.kind === 'rotary') return [table];
  const draft = {
    key: 'positions',
    tensor: names.positions!,
    shape: [config.positions.max, config.hiddenSize],
    tp: onResidual(layout),
  };
  return [table, spec(config, draft, 'weight')];
}

function vocabularySpec(config: ModelConfig, layout: Sharding, key: string, tensor: string): ParamSpec {
  const shape = [config.vocabSize, config.hiddenSize];
  return spec(
    config,
    { key, tensor, shape, paddedShape: [paddedVocab(config, layout), config.hiddenSize], tp: 'V0' },
    'weight',
  );
}

function blockSpecs(config: ModelConfig, layout: Sharding, names: TensorNames, layer: number): ParamSpec[] {
  const at = (name: string) => name.replace('{}', `${layer}`);
  const { hiddenSize, heads, kvHeads, headDim, intermediateSize } = config;
  const linear = (
    key: string,
    name: string,
    inputs: number,
    outputs: number,
    bias: boolean,
    cut: 'out' | 'in' | 'none',
    std?: number,
  ) => linearSpecs(config, layout, { key, tensor: at(name), inputs, outputs, bias, cut, ...(std ? { std } : {}) });
  const kvCut = kvSharded(config, layout) ? 'out' : 'none';
  // Projections into the residual start smaller with depth, as in GPT-2.
  const intoResidual = config.initialStd / Math.sqrt(2 * config.layers);
  const headNorm = (key: string, tensor: string) =>
    spec(config, { key, tensor: at(tensor), shape: [headDim], tp: 'R', initial: initialGain(config) }, 'weight');
  /** The matrices of an MLP so wide; those of a mixture's shared expert have keys of their own. */
  const mlp = (width: number, of: MlpNames, prefix = '') =>
    mlpMatrices[config.activation].flatMap((matrix) => {
      const key = `${prefix}${matrix}`;
      return matrix === 'down'
        ? linear(key, of.down, width, hiddenSize, config.mlpBias, 'in', intoResidual)
        : linear(key, of[matrix]!, hiddenSize, width, config.mlpBias, 'out');
    });
  const experts = (mixture: Mixture, of: MixtureNames) => {
    const { experts: count, intermediateSize: width, sharedIntermediateSize: shared } = mixture;
    const expert = (key: string, name: string, shape: Shape, tp: AxisType, std?: number) =>
      spec(
        config,
        { key, tensor: at(name), shape: [count, ...shape], isSpread: true, tp, ...(std ? { std } : {}) },
        'weight',
      );
    return [
      ...linear('router', of.router, hiddenSize, count, false, 'none'),
      ...(mixture.chosenByBias ? [routerBias(config, at(of.router), count)] : []),
      ...mlpMatrices[config.activation].map((matrix) =>
        matrix === 'down'
          ? expert('experts.down', of.down, [hiddenSize, width], 'V2', intoResidual)
          : expert(`experts.${matrix}`, of[matrix]!, [width, hiddenSize], 'V1'),
      ),
      ...(shared === undefined
        ? []
        : [
            ...mlp(shared, of.shared!, 'shared.'),
            ...linear('shared.router', of.shared!.router, hiddenSize, 1, false, 'none'),
          ]),
    ];
  };
  const mixture = mixtureOf(config, layer);
  return [
    ...normSpecs(config, layout, 'norm1', at(names.norm1)),
    ...linear('q', names.q, hiddenSize, heads * headDim, config.qkvBias, 'out'),
    ...linear('k', names.k, hiddenSize, kvHeads * headDim, config.qkvBias, kvCut),
    ...linear('v', names.v, hiddenSize, kvHeads * headDim, config.qkvBias, kvCut),
    ...(config.qkNorm ? [headNorm('qNorm', names.qNorm!), headNorm('kNorm', names.kNorm!)] : []),
    ...linear('output', names.output, heads * headDim, hiddenSize, config.outputBias, 'in', intoResidual),
    ...normSpecs(config, layout, 'norm2', at(names.norm2)),
    ...(mixture ? experts(mixture, names.mixture!) : mlp(intermediateSize, names)),
  ];
}

/** Named as that of DeepSeek-V3 is in transformers. */
function routerBias(config: ModelConfig, router: string, experts: number): ParamSpec {
  const name = `${router}.e_score_correction_bias`;
  const draft = spec(config, { key: 'router', tensor: router, shape: [experts], tp: 'R' }, 'bias');
  return { ...draft, name, tensor: { name, shape: [experts] }, byLoad: true };
}

function headSpecs(config: ModelConfig, layout: Sharding, names: TensorNames): ParamSpec[] {
  const norm = normSpecs(config, layout, 'norm', names.finalNorm);
  return [...norm, vocabularySpec(config, layout, 'head', config.tiedHead ? names.embedding : names.head)];
}

/** Where a rank's shard lies along a dim of the padded parameter: which of how many equal parts. */
function partOf({ types }: ParamSpec, dim: number, mesh: Mesh, coords: Coords): { index: number; count: number } {
  const axis = typedAxes.find((each) => types[each] === `V${dim}`);
  return axis === undefined ? { index: 0, count: 1 } : { index: coords[axis], count: mesh[axis] };
}

const origin: Coords = { tp: 0, cp: 0, ep: 0, dp: 0, pp: 0 };

/** The shape of a rank's shard. */
export const shardShape = (spec: ParamSpec, mesh: Mesh): Shape =>
  spec.paddedShape.map((size, dim) => size / partOf(spec, dim, mesh, origin).count);

/** The first index of a rank's shard in each dim of the whole parameter. */
export const shardOrigin = (spec: ParamSpec, mesh: Mesh, coords: Coords): number[] =>
  shardShape(spec, mesh).map((size, dim) => partOf(spec, dim, mesh, coords).index * size);
