// Attention of a block on one rank: of its own heads, over tokens that may be cut over cp.
import type { Layout } from '../mesh/layout.ts';
import { ownSlice } from '../ops/collectives.ts';
import { joinFeatures, splitFeatures } from '../ops/features.ts';
import { mergeHeads, splitHeads } from '../ops/heads.ts';
import { linear } from '../ops/linear.ts';
import { rope } from '../ops/rope.ts';
import type { Value } from '../program/program.ts';
import { kvSharded } from './block-params.ts';
import { type ModelConfig, windowOf } from './config.ts';
import { type AttentionPlaces, contextAttention } from './context-attention.ts';
import { withBias } from './mlp.ts';
import { headNorm } from './norm.ts';
import type { Params } from './params.ts';

/** What attention is told besides its parameters. */
export interface AttentionContext {
  readonly config: ModelConfig;
  readonly layout: Layout;
  readonly layer: number;
  readonly places: AttentionPlaces;
  /** See AttentionAttrs. */
  readonly attentionBlock?: number;
}

/** h [b, s, hidden], all tokens of this cp rank -> this tp rank's heads [b, s, heads / tp · headDim]. */
export function selfAttention(h: Value, params: Params, context: AttentionContext): Value {
  const { config, layout } = context;
  const { headDim, weightOrder } = config;
  const project = (key: string, cut: (w: Value, dim: number) => Value): Value => {
    const outDim = weightOrder === 'out,in' ? 0 : 1;
    const bias = params[`${key}.bias`];
    const features = linear(h, cut(params[`${key}.weight`]!, outDim), weightOrder);
    return splitHeads(withBias(features, bias && cut(bias, 0)), headDim);
  };
  const asStored = (w: Value) => w;
  const kv = kvSharded(config, layout) ? asStored : ownKvHead(config, layout);
  const normed = (x: Value, key: string) => (config.qkNorm ? headNorm(x, key, params, config) : x);
  const q = rotated(normed(project('q', asStored), 'qNorm'), context);
  const k = rotated(normed(project('k', kv), 'kNorm'), context);
  return attend(q, k, project('v', kv), context);
}

/** q and k [b, s, heads, headDim], v [b, s, heads, valueDim] -> [b, s, heads · valueDim]. */
export function attend(q: Value, k: Value, v: Value, context: AttentionContext): Value {
  const { config, layout, layer, places, attentionBlock } = context;
  const window = windowOf(config, layer);
  const blocks = attentionBlock === undefined ? {} : { block: attentionBlock };
  const attrs = { scale: config.attentionScale, ...(window ? { window } : {}), ...blocks };
  return mergeHeads(contextAttention(q, k, v, places, attrs, layout));
}

/** x [b, s, heads, features] with those that positions turn, the first of them, turned. */
export function rotated(x: Value, { config, layout, layer, places }: AttentionContext): Value {
  const { positions } = config;
  if (positions.kind !== 'rotary') return x;
  const { frequencies: whole, windowFrequencies = whole, interleaved } = positions;
  const frequencies = windowOf(config, layer) === undefined ? whole : windowFrequencies;
  const turn = (part: Value) =>
    rope(part, places.own.positions, {
      frequencies,
      maxPositions: x.shape[1]! * layout.cp,
      ...(interleaved ? { interleaved } : {}),
    });
  const count = 2 * frequencies.length;
  if (count === x.shape[3]) return turn(x);
  const [first, rest] = splitFeatures(x, count);
  return joinFeatures(turn(first), rest);
}

/** More tp ranks than key-value heads: every rank holds all of them and takes the one its query heads share. */
const ownKvHead =
  ({ kvHeads, headDim }: ModelConfig, { tp }: Layout) =>
  (w: Value, dim: number): Value => {
    const head = Math.floor((w.trace.coords.tp * kvHeads) / tp);
    return ownSlice(w, 'tp', dim, { start: head * headDim, size: headDim });
  };
