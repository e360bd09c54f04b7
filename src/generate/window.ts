// How many positions a forward pass over a text has.
import { fail } from '../errors.ts';
import type { Layout } from '../mesh/layout.ts';

/**
 * As long as the text, at most what the model has; whole shards under sp, which then are more than the text's tokens or all of the
 * model's positions.
 * @throws LAYOUT_INDIVISIBLE for a text beyond the model's positions where sp cannot cut them: with fewer it would be another text
 */
export function windowLength(positions: number, tokens: number, { sp, tp }: Layout): number {
  const unit = sp ? tp : 1;
  const needed = Math.ceil(Math.min(positions, tokens) / unit) * unit;
  if (needed > positions)
    fail('LAYOUT_INDIVISIBLE', {
      axis: 'tp',
      size: tp,
      what: "the model's positions, which sp cuts and this text fills",
      total: positions,
      fix: 'the layout without sp, or a shorter text',
    });
  return needed;
}
