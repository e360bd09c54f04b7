// How many positions a forward pass over a text has.
import { fail } from '../errors.ts';
import type { Layout } from '../mesh/layout.ts';
import { partsOfSequence } from '../model/fit.ts';

/**
 * As long as the text, at most what the model has; whole shares under cp and sp, which then are more than the text's tokens or all of
 * the model's positions.
 * @throws LAYOUT_INDIVISIBLE for a text beyond the model's positions where these cannot be cut: with fewer it would be another text
 */
export function windowLength(positions: number, tokens: number, layout: Layout): number {
  const { tp, cp } = layout;
  const unit = partsOfSequence(layout);
  const needed = Math.ceil(Math.min(positions, tokens) / unit) * unit;
  if (needed > positions) {
    const [axis, cutter] = cp > 1 ? (['cp', 'context parallelism'] as const) : (['tp', 'sp'] as const);
    fail('LAYOUT_INDIVISIBLE', {
      axis,
      size: axis === 'cp' ? cp : tp,
      what: `the model's positions, which ${cutter} cuts and this text fills`,
      total: positions,
      fix: `the layout without ${axis === 'cp' ? 'cp' : 'sp'}, or a shorter text`,
    });
  }
  return needed;
}
