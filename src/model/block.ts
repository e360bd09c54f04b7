// A transformer block on one rank: attention and MLP, each behind a norm and added to the residual.
// Shapes: b sequences of s tokens; x is [b, s, hidden], under sp [b, s / tp, hidden].
import type { Layout } from '../mesh/layout.ts';
import { ownSlice } from '../ops/collectives.ts';
import { add, offset } from '../ops/elementwise.ts';
import { mergeHeads, splitHeads } from '../ops/heads.ts';
import { linear } from '../ops/linear.ts';
import { layerNorm, rmsNorm } from '../ops/norm.ts';
import { rope } from '../ops/rope.ts';
import type { Value } from '../program/program.ts';
import { at } from '../program/trace.ts';
import type { ModelConfig } from './config.ts';
import { type AttentionPlaces, contextAttention } from './context-attention.ts';
import { type Mixed, mlpOrMixture, withBias } from './mlp.ts';
import { enterParallel, leaveParallel } from './parallel.ts';
import { kvSharded, type Params } from './params.ts';
import type { RouterContext } from './router.ts';

/** What a block is told besides its parameters. */
export interface BlockContext {
  readonly config: ModelConfig;
  readonly layout: Layout;
  readonly places: AttentionPlaces;
  /** See AttentionAttrs. */
  readonly attentionBlock?: number;
  readonly router?: RouterContext;
}

export function block(x: Value, params: Params, context: BlockContext): Mixed {
  const { config, layout, router } = context;
  const { trace } = x;
  const attended = at(trace, 'attention', () => {
    const h = enterParallel(norm(x, 'norm1', params, config), layout);
    const out = linear(selfAttention(h, params, context), params['output.weight']!, config.weightOrder);
    return add(x, withBias(leaveParallel(out, layout), params['output.bias']));
  });
  return at(trace, 'mlp', () => {
    const h = enterParallel(norm(attended, 'norm2', params, config), layout);
    const { out, ...told } = mlpOrMixture(h, params, config, { tokens: context.places.own, router });
    return { out: add(attended, withBias(leaveParallel(out, layout), params['down.bias'])), ...told };
  });
}

type Norm = (x: Value, gain: Value, bias: Value | undefined, epsilon: number) => Value;
const norms: Readonly<Record<ModelConfig['norm'], Norm>> = {
  rms: (x, gain, _, epsilon) => rmsNorm(x, gain, epsilon),
  layer: (x, gain, bias, epsilon) => layerNorm(x, gain, bias!, epsilon),
};

export function norm(x: Value, key: string, params: Params, config: ModelConfig): Value {
  return norms[config.norm](x, gainOf(key, params, config), params[`${key}.bias`], config.normEpsilon);
}

function gainOf(key: string, params: Params, { gainOffset }: ModelConfig): Value {
  const stored = params[`${key}.weight`]!;
  return gainOffset === 0 ? stored : offset(stored, gainOffset);
}

/** h [b, s, hidden], all tokens of this cp rank -> this tp rank's heads [b, s, heads / tp · headDim]. */
function selfAttention(h: Value, params: Params, context: BlockContext): Value {
  const { config, layout, places, attentionBlock } = context;
  const { headDim, positions, weightOrder } = config;
  const project = (key: string, cut: (w: Value, dim: number) => Value): Value => {
    const outDim = weightOrder === 'out,in' ? 0 : 1;
    const bias = params[`${key}.bias`];
    const features = linear(h, cut(params[`${key}.weight`]!, outDim), weightOrder);
    return splitHeads(withBias(features, bias && cut(bias, 0)), headDim);
  };
  const asStored = (w: Value) => w;
  const kv = kvSharded(config, layout) ? asStored : ownKvHead(config, layout);
  const headNorm = (x: Value, key: string) =>
    config.qkNorm ? rmsNorm(x, gainOf(key, params, config), config.normEpsilon) : x;
  const maxPositions = h.shape[1]! * layout.cp;
  const rotate = (x: Value) =>
    positions.kind === 'rotary'
      ? rope(x, places.own.positions, { frequencies: positions.frequencies, maxPositions })
      : x;
  const q = rotate(headNorm(project('q', asStored), 'qNorm'));
  const k = rotate(headNorm(project('k', kv), 'kNorm'));
  const v = project('v', kv);
  const { window } = config;
  const scale = 1 / Math.sqrt(headDim);
  const blocks = attentionBlock === undefined ? {} : { block: attentionBlock };
  const attrs = { scale, ...(window ? { window } : {}), ...blocks };
  return mergeHeads(contextAttention(q, k, v, places, attrs, layout));
}

/** More tp ranks than key-value heads: every rank holds all of them and takes the one its query heads share. */
const ownKvHead =
  ({ kvHeads, headDim }: ModelConfig, { tp }: Layout) =>
  (w: Value, dim: number): Value => {
    const head = Math.floor((w.trace.coords.tp * kvHeads) / tp);
    return ownSlice(w, 'tp', dim, { start: head * headDim, size: headDim });
  };
