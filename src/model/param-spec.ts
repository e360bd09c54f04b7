// What a parameter is, and how its spec is made from the little that differs between parameters.
import type { Layout } from '../mesh/layout.ts';
import type { Shape } from '../program/program.ts';
import type { AxisType, Types } from '../program/types.ts';
import { type ModelConfig, normParams } from './config.ts';

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

/** What of a layout decides how parameters are cut in a program. */
export type Sharding = Pick<Layout, 'tp' | 'sp'>;

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

export function spec(config: ModelConfig, draft: Draft, suffix: 'weight' | 'bias'): ParamSpec {
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
    decays: suffix === 'weight' && shape.length > 1,
  };
}

/** What all tp ranks use on a residual: each on its own slice of the sequence under sp, otherwise alike. */
export const onResidual = (layout: Sharding): AxisType => (layout.sp ? 'R' : 'I');

/** Gains start at 1 in all. */
export const initialGain = ({ gainOffset }: ModelConfig): ParamSpec['initial'] => (gainOffset === 0 ? 'ones' : 'zeros');

/** Of the residual, or of what is made of it before the tensor-parallel region. */
export function normSpecs(
  config: ModelConfig,
  layout: Sharding,
  { key, tensor, size = config.hiddenSize }: { readonly key: string; readonly tensor: string; readonly size?: number },
): ParamSpec[] {
  const draft = { key, tensor, shape: [size], tp: onResidual(layout) } as const;
  const initial = { weight: initialGain(config), bias: 'zeros' } as const;
  return normParams[config.norm].map((part) => spec(config, { ...draft, initial: initial[part] }, part));
}

export interface LinearDraft {
  readonly key: string;
  readonly tensor: string;
  readonly inputs: number;
  readonly outputs: number;
  readonly bias: boolean;
  /** Which side is sharded over tp; `none`: all ranks use all of it, `residual`: on the residual. */
  readonly cut: 'out' | 'in' | 'none' | 'residual';
  readonly std?: number;
}

/** A linear layer's weight and bias. */
export function linearSpecs(config: ModelConfig, layout: Sharding, draft: LinearDraft): ParamSpec[] {
  const { key, tensor, inputs, outputs, bias, cut, std } = draft;
  const outFirst = config.weightOrder === 'out,in';
  const dim = (cut === 'out') === outFirst ? 0 : 1;
  const whole = { none: 'R', residual: onResidual(layout) } as const;
  const shape = outFirst ? [outputs, inputs] : [inputs, outputs];
  const tp = cut === 'none' || cut === 'residual' ? whole[cut] : (`V${dim}` as const);
  const weight = spec(config, { key, tensor, shape, tp, ...(std ? { std } : {}) }, 'weight');
  if (!bias) return [weight];
  const biasTypes = { ...whole, out: 'V0', in: onResidual(layout) } as const;
  return [weight, spec(config, { key, tensor, shape: [outputs], tp: biasTypes[cut] }, 'bias')];
}
