// Which blocks of queries and keys attention looks at: found from positions and documents, so that a pair of blocks in which no query
// sees a key is never computed, and one in which every query sees every key needs no mask.
//
//        keys →           strips of queries; each sees parts of the keys, tile by tile:
//     q  ◪ ·  ·  ·         ■ seen whole     ◪ seen in part, so masked     · not at all
//     ↓  ■ ◪  ·  ·        tiles side by side are one part, as long as their scores stay near a core
//        ·  · ◪  ·
//        ·  · ■  ◪
/** Where the tokens of a sequence stand: a query sees the keys of its own document up to its own position. */
export interface Places {
  readonly positions: ArrayLike<number>;
  readonly documents: ArrayLike<number>;
}

/** What decides where blocks are cut. */
export interface Cutting {
  /** A query sees itself and the `window - 1` positions before it; undefined: all before it. */
  readonly window?: number;
  /** Queries of a strip, keys of a tile and of a part; undefined: as many as stay near a core. */
  readonly block?: number;
  /** Query heads that share a key head: so many rows of scores has a query. */
  readonly group: number;
}

export type Range = readonly [start: number, end: number];

/** Keys that a strip looks at together. */
export interface Part {
  readonly keys: Range;
  /** The tiles of it that are seen in part. */
  readonly masked: readonly Range[];
}

export interface Strip {
  readonly queries: Range;
  readonly parts: readonly Part[];
}

/** Measured on Zen 4: 128 rows by 1024 keys, 512 KB of scores in f32, run as fast as any shape, and less is wasted at the diagonal. */
const rowsOfStrip = 128;
export const keysOfTile = 128;
const keysOfPart = 1024;

export const queriesOfStrip = ({ block, group }: Cutting): number =>
  block ?? Math.max(1, Math.floor(rowsOfStrip / group));
export const mostKeysOfPart = ({ block }: Pick<Cutting, 'block'>): number => block ?? keysOfPart;

/** Strips of all queries, with the keys each of them looks at; a strip that sees nothing has no parts. */
export function cutIntoBlocks(queries: Places, keys: Places, cutting: Cutting): Strip[] {
  const tiles = cut(keys.positions.length, cutting.block ?? keysOfTile).map((range) => stretchesOf(keys, range));
  return cut(queries.positions.length, queriesOfStrip(cutting)).map((range) => {
    const strip = stretchesOf(queries, range);
    return { queries: range, parts: partsOf(strip, tiles, cutting) };
  });
}

/** Scores that are computed: rows times keys of all parts, of one key head. */
export const scoresOf = (strips: readonly Strip[], group: number): number =>
  strips.reduce((sum, { queries, parts }) => {
    const keys = parts.reduce((total, part) => total + length(part.keys), 0);
    return sum + group * length(queries) * keys;
  }, 0);

export const length = ([start, end]: Range): number => end - start;

const cut = (size: number, block: number): Range[] =>
  Array.from({ length: Math.ceil(size / block) }, (_, i) => [i * block, Math.min((i + 1) * block, size)] as const);

/** Tokens of one document side by side, with their least and greatest position. */
interface Stretch {
  readonly document: number;
  least: number;
  most: number;
}

interface Tile {
  readonly range: Range;
  readonly stretches: readonly Stretch[];
}

function stretchesOf({ positions, documents }: Places, range: Range): Tile {
  const stretches: Stretch[] = [];
  for (let i = range[0]; i < range[1]; i++) {
    const [position, document] = [positions[i]!, documents[i]!];
    const last = stretches[stretches.length - 1];
    if (last?.document !== document) {
      stretches.push({ document, least: position, most: position });
      continue;
    }
    last.least = Math.min(last.least, position);
    last.most = Math.max(last.most, position);
  }
  return { range, stretches };
}

function partsOf(strip: Tile, tiles: readonly Tile[], cutting: Cutting): Part[] {
  const parts: { keys: [number, number]; masked: Range[] }[] = [];
  for (const tile of tiles) {
    const seen = seenOf(strip.stretches, tile.stretches, cutting.window);
    if (seen === 'nothing') continue;
    const last = parts[parts.length - 1];
    const joins = last?.keys[1] === tile.range[0] && tile.range[1] - last.keys[0] <= mostKeysOfPart(cutting);
    if (joins) last.keys[1] = tile.range[1];
    else parts.push({ keys: [...tile.range], masked: [] });
    if (seen === 'some') parts[parts.length - 1]!.masked.push(tile.range);
  }
  return parts;
}

/** How much of a tile the queries of a strip see; `some` may still turn out to be nothing where positions are out of order. */
function seenOf(
  queries: readonly Stretch[],
  keys: readonly Stretch[],
  window = Number.POSITIVE_INFINITY,
): 'all' | 'some' | 'nothing' {
  let [any, all] = [false, true];
  for (const query of queries)
    for (const key of keys) {
      const isSame = query.document === key.document;
      any ||= isSame && key.least <= query.most && key.most > query.least - window;
      all &&= isSame && key.most <= query.least && key.least > query.most - window;
    }
  return all ? 'all' : any ? 'some' : 'nothing';
}

/** Whether a query sees a key. */
export function sees(queries: Places, i: number, keys: Places, j: number, window = Number.POSITIVE_INFINITY): boolean {
  const before = queries.positions[i]! - keys.positions[j]!;
  return queries.documents[i] === keys.documents[j] && before >= 0 && before < window;
}

/** Stands for -∞ in masks: exp of it is 0 in f32 and f64, and differences of it stay finite. */
export const hidden = -1e30;

/** The log-sum-exp of a query that sees no key: a masked score stays far below it. */
export const seesNothing = -1e29;
