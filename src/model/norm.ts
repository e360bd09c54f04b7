// The norms of a model, by what its parameters are.
import { offset } from '../ops/elementwise.ts';
import { layerNorm, rmsNorm } from '../ops/norm.ts';
import type { Value } from '../program/program.ts';
import type { ModelConfig } from './config.ts';
import type { Params } from './params.ts';

type Norm = (x: Value, gain: Value, bias: Value | undefined, epsilon: number) => Value;
const norms: Readonly<Record<ModelConfig['norm'], Norm>> = {
  rms: (x, gain, _, epsilon) => rmsNorm(x, gain, epsilon),
  layer: (x, gain, bias, epsilon) => layerNorm(x, gain, bias!, epsilon),
  // Only models that are planned for alone have it: another one of its cost stands in.
  'layer without bias': (x, gain, _, epsilon) => rmsNorm(x, gain, epsilon),
};

/** x [.., features] -> the same, with the gain (and bias) of this key. */
export function norm(x: Value, key: string, params: Params, config: ModelConfig): Value {
  return norms[config.norm](x, gainOf(key, params, config), params[`${key}.bias`], config.normEpsilon);
}

/** Of every head by itself: x [b, s, heads, headDim]. */
export const headNorm = (x: Value, key: string, params: Params, config: ModelConfig): Value =>
  rmsNorm(x, gainOf(key, params, config), config.normEpsilon);

function gainOf(key: string, params: Params, { gainOffset }: ModelConfig): Value {
  const stored = params[`${key}.weight`]!;
  return gainOffset === 0 ? stored : offset(stored, gainOffset);
}
