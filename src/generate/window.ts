// How many positions a forward pass over a text has.
import type { Layout } from '../mesh/layout.ts';

/** As long as needed, at most what the model has; whole shards under sp. */
export function windowLength(positions: number, tokens: number, { sp, tp }: Layout): number {
  const unit = sp ? tp : 1;
  const most = Math.floor(positions / unit) * unit;
  return Math.min(most, Math.ceil(tokens / unit) * unit);
}
