// How many scores attention computes for tokens that stand in order: what a walk over its blocks (attention-blocks.ts) would count, without one.
//
// A tile is seen by a strip if it begins before the strip's last query, and ends within the window before its first. What ends before that
// begins before it too, so the tiles seen are those that begin early enough, less those that end too early: both are sums over sorted tiles.
import type { TokenRange } from '../mesh/sequence.ts';
import { type Cutting, keysOfTile, queriesOfStrip } from './attention-blocks.ts';

/** Of one key head: `queries` and `keys` are of one document, laid side by side in the order of their ranges. O(strips + tiles). */
export function scoresInOrder(queries: readonly TokenRange[], keys: readonly TokenRange[], cutting: Cutting): number {
  const { window = Number.POSITIVE_INFINITY, block = keysOfTile, group } = cutting;
  const strips = spansOf(queries, queriesOfStrip(cutting));
  const tiles = spansOf(keys, block);
  const begun = sumOver(byPosition(strips, 'most'), byPosition(tiles, 'least'), 0);
  return group * (begun - sumOver(byPosition(strips, 'least'), byPosition(tiles, 'most'), window));
}

/** A stretch of tokens: how many, and the least and the greatest of their positions. */
interface Span {
  readonly tokens: number;
  readonly least: number;
  readonly most: number;
}

/** The ranges side by side, cut into stretches of so many tokens. */
function spansOf(ranges: readonly TokenRange[], size: number): Span[] {
  const spans: Span[] = [];
  let [tokens, least, most] = [0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const close = (): void => {
    spans.push({ tokens, least, most });
    [tokens, least, most] = [0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  };
  for (const [start, end] of ranges)
    for (let at = start; at < end; ) {
      const next = Math.min(end, at + size - tokens);
      tokens += next - at;
      least = Math.min(least, at);
      most = Math.max(most, next - 1);
      at = next;
      if (tokens === size) close();
    }
  if (tokens > 0) close();
  return spans;
}

const byPosition = (
  spans: readonly Span[],
  by: 'least' | 'most',
): { readonly position: number; readonly tokens: number }[] => {
  const all = spans.map((span) => ({ position: span[by], tokens: span.tokens }));
  return all.sort((a, b) => a.position - b.position);
};

type Sorted = ReturnType<typeof byPosition>;

/** Σ over strips of their queries times the keys of all tiles whose position is at least `window` before the strip's. */
function sumOver(strips: Sorted, tiles: Sorted, window: number): number {
  let [sum, keys, next] = [0, 0, 0];
  for (const { position, tokens } of strips) {
    while (next < tiles.length && tiles[next]!.position <= position - window) keys += tiles[next++]!.tokens;
    sum += tokens * keys;
  }
  return sum;
}
