// Makes the spec of a parameter from the little that differs between parameters.
import type { Layout } from '../mesh/layout.ts';
import type { Shape } from '../program/program.ts';
import type { AxisType } from '../program/types.ts';
import { type ModelConfig, normParams } from './config.ts';
import type { ParamSpec } from './params.ts';

export interface Draft {
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
export const onResidual = (layout: Layout): AxisType => (layout.sp ? 'R' : 'I');

/** Gains start at 1 in all. */
export const initialGain = ({ gainOffset }: ModelConfig): ParamSpec['initial'] => (gainOffset === 0 ? 'ones' : 'zeros');

/** Of the residual, or of what is made of it before the tensor-parallel region. */
export function normSpecs(
  config: ModelConfig,
  layout: Layout,
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
export function linearSpecs(config: ModelConfig, layout: Layout, draft: LinearDraft): ParamSpec[] {
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
