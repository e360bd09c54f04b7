// What follows attention in a block: an MLP, or a mixture of experts that are one each.
import { gelu, logistic, swiglu } from '../ops/activation.ts';
import { add, multiply } from '../ops/elementwise.ts';
import { groupedLinear } from '../ops/grouped-linear.ts';
import { linear } from '../ops/linear.ts';
import { routes } from '../ops/route.ts';
import { scaleRows } from '../ops/rows.ts';
import type { Value } from '../program/program.ts';
import { at } from '../program/trace.ts';
import type { ModelConfig } from './config.ts';
import { dispatch } from './dispatch.ts';
import type { Params } from './params.ts';
import { judge, type RouterContext, type Told } from './router.ts';

export const withBias = (x: Value, bias: Value | undefined): Value => (bias ? add(x, bias) : x);

/** An MLP between its matrices, given what a matrix makes of the input. */
const activations: Readonly<Record<ModelConfig['activation'], (project: (matrix: string) => Value) => Value>> = {
  swiglu: (project) => swiglu(project('gate'), project('up')),
  geglu: (project) => multiply(gelu(project('gate')), project('up')),
  gelu: (project) => gelu(project('up')),
};

/** What follows attention: features [b, s, hidden], over tp still to be summed, and what is told of routing. */
export interface Mixed {
  readonly out: Value;
  readonly told?: Told;
}

/** h [b, s, hidden] -> the same; what a layer has says which it is. `router`: where something is to be told. */
export const mlpOrMixture = (h: Value, params: Params, config: ModelConfig, router?: RouterContext): Mixed =>
  params['router.weight'] ? mixture(h, params, config, router) : { out: mlp(h, params, config) };

function mlp(h: Value, params: Params, config: ModelConfig): Value {
  return linear(activated(h, params, config, ''), params['down.weight']!, config.weightOrder);
}

const activated = (h: Value, params: Params, { activation, weightOrder }: ModelConfig, prefix: string): Value =>
  activations[activation]((matrix) =>
    withBias(linear(h, params[`${prefix}${matrix}.weight`]!, weightOrder), params[`${prefix}${matrix}.bias`]),
  );

/**
 * Every token by its own experts, of which each counts by its weight. Weights are applied before the last matrix, where they meet fewer
 * features and their gradient needs no output of an expert. Over tp every rank routes alike and has its share of every expert.
 */
function mixture(h: Value, params: Params, config: ModelConfig, router: RouterContext | undefined): Mixed {
  const { experts, perToken, scores, normalised } = config.mixture!;
  const logits = linear(h, params['router.weight']!);
  const routed = routes(logits, { perToken, scores, normalised }, params['router.bias']);
  const told = router && judge(logits, routed, config.mixture!, router);
  const { tokens, weights, experts: of, filled, own, combine } = dispatch(h, routed, experts);
  const product = (x: Value, matrix: string, into: 'slots' | 'tokens') =>
    at(h.trace, 'experts', () => groupedLinear(x, of, own(params[`experts.${matrix}.weight`]!), into, filled));
  const features = activations[config.activation]((matrix) => product(tokens, matrix, 'slots'));
  const out = combine(product(scaleRows(features, weights), 'down', 'tokens'));
  const all = params['shared.router.weight'] ? add(out, shared(h, params, config)) : out;
  return { out: all, ...(told && { told }) };
}

/** The expert that all tokens have. */
function shared(h: Value, params: Params, config: ModelConfig): Value {
  const weight = logistic(linear(h, params['shared.router.weight']!));
  return linear(scaleRows(activated(h, params, config, 'shared.'), weight), params['shared.down.weight']!);
}
