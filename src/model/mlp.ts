// What follows attention in a block: an MLP, or a mixture of experts that are one each.

import { gelu, logistic, squaredRelu, swiglu } from '../ops/activation.ts';
import type { TokenPlaces } from '../ops/attention.ts';
import { add, multiply, scale } from '../ops/elementwise.ts';
import { groupedLinear } from '../ops/grouped-linear.ts';
import { linear } from '../ops/linear.ts';
import { scaleRows } from '../ops/rows.ts';
import type { Value } from '../program/program.ts';
import { at } from '../program/trace.ts';
import type { ModelConfig } from './config.ts';
import { dispatch } from './dispatch.ts';
import type { Params } from './params.ts';
import { judge, type RouterContext, send, type Told } from './router.ts';

export const withBias = (x: Value, bias: Value | undefined): Value => (bias ? add(x, bias) : x);

/** An MLP between its matrices, given what a matrix makes of the input. */
const activations: Readonly<Record<ModelConfig['activation'], (project: (matrix: string) => Value) => Value>> = {
  swiglu: (project) => swiglu(project('gate'), project('up')),
  geglu: (project) => multiply(gelu(project('gate')), project('up')),
  gelu: (project) => gelu(project('up')),
  'squared relu': (project) => squaredRelu(project('up')),
};

/** What follows attention: features [b, s, hidden], over tp still to be summed, and what is told of routing. */
export interface Mixed {
  readonly out: Value;
  readonly told?: Told;
}

/** What a mixture is told besides its model: where the tokens stand, and of runs that train or measure it the router's settings. */
interface Routing {
  readonly tokens: TokenPlaces;
  readonly router?: RouterContext | undefined;
}

/** h [b, s, hidden] -> the same; what a layer has says which it is. */
export const mlpOrMixture = (h: Value, params: Params, config: ModelConfig, routing: Routing): Mixed =>
  params['router.weight'] ? mixture(h, params, config, routing) : { out: mlp(h, params, config) };

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
function mixture(h: Value, params: Params, config: ModelConfig, { tokens, router }: Routing): Mixed {
  const { experts, weightScale } = config.mixture!;
  const logits = withBias(linear(h, params['router.weight']!), params['router.bias']);
  const sent = send(logits, params['choice.bias'], tokens, config.mixture!, router);
  const told = router && judge(logits, sent, config.mixture!, router);
  const weights = weightScale === undefined ? sent.weights : scale(sent.weights, weightScale);
  const there = dispatch(h, { ...sent, weights }, experts);
  const product = (x: Value, matrix: string, into: 'slots' | 'tokens') =>
    groupedLinear(x, there.experts, there.own(params[`experts.${matrix}.weight`]!), into, there.filled);
  const rows = at(h.trace, 'experts', () => {
    const features = activations[config.activation]((matrix) => product(there.tokens, matrix, 'slots'));
    return scaleRows(features, there.weights);
  });
  const out = there.combine(at(h.trace, 'experts', () => product(rows, 'down', 'tokens')));
  const all = params['shared.down.weight'] ? add(out, shared(h, params, config)) : out;
  return { out: all, ...(told && { told }) };
}

/** The expert that all tokens have, which a gate of its own may weigh. */
function shared(h: Value, params: Params, config: ModelConfig): Value {
  const features = activated(h, params, config, 'shared.');
  const gate = params['shared.router.weight'];
  return linear(gate ? scaleRows(features, logistic(linear(h, gate))) : features, params['shared.down.weight']!);
}
