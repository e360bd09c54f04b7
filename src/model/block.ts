// A transformer block on one rank: attention and MLP, each behind a norm and added to the residual.
// Shapes: b sequences of s tokens; x is [b, s, hidden], under sp [b, s / tp, hidden].
import { add } from '../ops/elementwise.ts';
import { linear } from '../ops/linear.ts';
import type { Value } from '../program/program.ts';
import { at } from '../program/trace.ts';
import { latentAttention } from './latent-attention.ts';
import { type Mixed, mlpOrMixture, withBias } from './mlp.ts';
import { norm } from './norm.ts';
import { enterParallel, leaveParallel } from './parallel.ts';
import type { Params } from './params.ts';
import type { RouterContext } from './router.ts';
import { type AttentionContext, selfAttention } from './self-attention.ts';

/** What a block is told besides its parameters. */
export interface BlockContext extends AttentionContext {
  readonly router?: RouterContext;
}

export function block(x: Value, params: Params, context: BlockContext): Mixed {
  const { config, layout, router } = context;
  const { trace } = x;
  /** What the region made, back on the residual. */
  const back = (out: Value, bias: string, postNorm: string) => {
    const made = withBias(leaveParallel(out, layout), params[bias]);
    return config.postNorms ? norm(made, postNorm, params, config) : made;
  };
  const attended = at(trace, 'attention', () => {
    const h = norm(x, 'norm1', params, config);
    const heads = config.latent
      ? latentAttention(h, params, context)
      : selfAttention(enterParallel(h, layout), params, context);
    return add(x, back(linear(heads, params['output.weight']!, config.weightOrder), 'output.bias', 'postNorm1'));
  });
  return at(trace, 'mlp', () => {
    const h = enterParallel(norm(attended, 'norm2', params, config), layout);
    const { out, ...told } = mlpOrMixture(h, params, config, { tokens: context.places.own, router });
    return { out: add(attended, back(out, 'down.bias', 'postNorm2')), ...told };
  });
}
