// Attention as ONNX nodes, in blocks of queries (forward) or keys (backward), so that no length × length matrix is ever held.
//
//   forward: a strip of queries sees its whole row of keys    backward: a block of keys sees all queries below
//        keys →                                                    keys →
//     q  ■ ·  ·  ·     one strip at a time: rows × keys         q  ■ ·  ·  ·    one column at a time; dk, dv of a block are
//     ↓  ■ ■  ·  ·     of scores, softmax, times v              ↓  ■ ■  ·  ·    complete at once, dq is summed over columns
//        ■ ■  ■  ·                                                 ■ ■  ■  ·
import type { OnnxBuilder } from '../program/onnx-builder.ts';
import type { Node } from '../program/program.ts';
import { type AttentionAttrs, type AttentionSize, attentionSize } from './attention-size.ts';

/** Numbers in a strip of scores: 2 MB in f32, so that it stays near a core. */
const stripElements = 2 ** 19;

/** What decides where blocks are cut. */
type Cutting = Pick<AttentionAttrs, 'window' | 'block'>;

/** Queries in a strip, keys in a block: a power of two from 32 to 128 if it is not given. */
function blockOf({ batch, heads, length }: AttentionSize, { block }: Cutting): number {
  if (block !== undefined) return block;
  const fits = (rows: number) => batch * heads * rows * Math.min(length, 4096) <= stripElements;
  return [128, 64].find(fits) ?? 32;
}

/** Stands for -∞ in masks: exp of it is 0 in f32 and f64, and differences of it stay finite. */
const hidden = -1e30;

type Range = readonly [start: number, end: number];
export interface Block {
  readonly rows: Range;
  readonly keys: Range;
}

/** Strips of queries with the keys any of them sees. */
export function queryStrips(size: AttentionSize, cutting: Cutting): Block[] {
  const { window = size.length } = cutting;
  return blockRanges(size, cutting).map(
    ([start, end]) => ({ rows: [start, end], keys: [Math.max(0, start - window + 1), end] }) as const,
  );
}

/** Blocks of keys with the queries that see any of them; queries end on a block boundary. */
export function keyBlocks(size: AttentionSize, cutting: Cutting): Block[] {
  const { length } = size;
  const { window = length } = cutting;
  const block = blockOf(size, cutting);
  return blockRanges(size, cutting).map(([start, end]) => {
    const last = Math.min(length, end + window - 1);
    return { rows: [start, Math.min(length, Math.ceil(last / block) * block)], keys: [start, end] } as const;
  });
}

/** The sequence in blocks. */
function blockRanges(size: AttentionSize, cutting: Cutting): Range[] {
  const block = blockOf(size, cutting);
  const count = Math.ceil(size.length / block);
  return Array.from({ length: count }, (_, i) => [i * block, Math.min((i + 1) * block, size.length)] as const);
}

/** The mask added to scores [rows, keys]: 0 where the query sees the key. Undefined when it sees all. */
function maskOf(onnx: OnnxBuilder, { rows, keys }: Block, window = Number.POSITIVE_INFINITY): string | undefined {
  const width = keys[1] - keys[0];
  const mask = Float64Array.from({ length: (rows[1] - rows[0]) * width }, (_, index) => {
    const query = rows[0] + Math.floor(index / width);
    const key = keys[0] + (index % width);
    return key <= query && key > query - window ? 0 : hidden;
  });
  return mask.every((value) => value === 0) ? undefined : onnx.floats(mask, [rows[1] - rows[0], width]);
}

/** Rows, summed dim and columns of a product of one head, and what it is multiplied by. */
interface Product {
  readonly m: number;
  readonly k: number;
  readonly n: number;
  readonly alpha?: number;
}

/** Works on [b, kvHeads, group · rows, ..] matrices: the query heads of a group share their keys, so they are stacked as rows. */
function grouped(onnx: OnnxBuilder, size: AttentionSize) {
  const { batch, length, heads, kvHeads } = size;
  const group = heads / kvHeads;
  const whole = (range: Range) => range[0] === 0 && range[1] === length;
  return {
    /** [b, s, heads, d] -> [b, heads, s, d]. */
    byHead: (x: string) => onnx.transpose(x, [0, 2, 1, 3]),
    /** Rows of [b, heads, s, width] -> [b, kvHeads, group · rows, width]. */
    rows: (x: string, range: Range, width: number) => {
      const cut = whole(range) ? x : onnx.slice(x, 2, range[0], range[1]);
      return group === 1 ? cut : onnx.reshape(cut, [batch, kvHeads, group * (range[1] - range[0]), width]);
    },
    /** Keys of [b, kvHeads, s, d]. */
    keys: (x: string, range: Range) => (whole(range) ? x : onnx.slice(x, 2, range[0], range[1])),
    /** [b, kvHeads, group · rows, width] -> [b, heads, rows, width]. */
    ungroup: (x: string, rows: number, width: number) =>
      group === 1 ? x : onnx.reshape(x, [batch, heads, rows, width]),
    /** Adds a [rows, keys] mask to grouped scores. */
    masked: (scores: string, part: Block, window: number | undefined) => {
      const mask = maskOf(onnx, part, window);
      if (mask === undefined) return scores;
      const rows = part.rows[1] - part.rows[0];
      const width = part.keys[1] - part.keys[0];
      if (group === 1) return onnx.add('Add', [scores, mask]);
      const apart = onnx.reshape(scores, [batch, kvHeads, group, rows, width]);
      return onnx.reshape(onnx.add('Add', [apart, mask]), [batch, kvHeads, group * rows, width]);
    },
    /** a · bᵀ over the last dims: [.., m, k] and [.., n, k]. */
    timesTransposed: (a: string, b: string, size: Product) =>
      onnx.matMul(
        a,
        b,
        { batch: batch * kvHeads, ...size, m: group * size.m },
        { transposed: 'b', rank: 4, alpha: size.alpha ?? 1 },
      ),
    times: (a: string, b: string, size: Product) =>
      onnx.matMul(a, b, { batch: batch * kvHeads, ...size, m: group * size.m }, { alpha: size.alpha ?? 1 }),
    /** aᵀ · b: [.., k, m] and [.., k, n], with k the grouped rows. */
    transposedTimes: (a: string, b: string, size: Product) =>
      onnx.matMul(
        a,
        b,
        { batch: batch * kvHeads, ...size, k: group * size.k },
        { transposed: 'a', rank: 4, alpha: size.alpha ?? 1 },
      ),
    concatRows: (parts: readonly string[]) => (parts.length === 1 ? parts[0]! : onnx.add('Concat', parts, { axis: 2 })),
  };
}

export function lowerAttention(
  onnx: OnnxBuilder,
  [q, k, v]: readonly string[],
  attrs: AttentionAttrs,
  node: Node,
): string[] {
  const { scale, window } = attrs;
  const all = attentionSize(node.inputs[0]!, node.inputs[1]!);
  const g = grouped(onnx, all);
  const d = all.headDim;
  const [queries, keys, values] = [g.byHead(q!), g.byHead(k!), g.byHead(v!)];
  const outs: string[] = [];
  const logSums: string[] = [];
  for (const strip of queryStrips(all, attrs)) {
    const rows = strip.rows[1] - strip.rows[0];
    const width = strip.keys[1] - strip.keys[0];
    const size = { m: rows, k: d, n: width, alpha: scale };
    const product = g.timesTransposed(g.rows(queries, strip.rows, d), g.keys(keys, strip.keys), size);
    const scores = g.masked(product, strip, window);
    const probabilities = onnx.add('Softmax', [scores], { axis: -1 });
    outs.push(g.ungroup(g.times(probabilities, g.keys(values, strip.keys), { m: rows, k: width, n: d }), rows, d));
    // The largest probability is exp(largest score - lse), which gives lse without another pass of exponentials.
    const largest = (x: string) => onnx.add('ReduceMax', [x, onnx.int64s(-1)]);
    logSums.push(g.ungroup(onnx.add('Sub', [largest(scores), onnx.add('Log', [largest(probabilities)])]), rows, 1));
  }
  return [g.byHead(g.concatRows(outs)), g.concatRows(logSums)];
}

export function lowerAttentionGrad(
  onnx: OnnxBuilder,
  [dOut, q, k, v, out, lse]: readonly string[],
  attrs: AttentionAttrs,
  node: Node,
): string[] {
  const { scale, window } = attrs;
  const all = attentionSize(node.inputs[1]!, node.inputs[2]!);
  const g = grouped(onnx, all);
  const d = all.headDim;
  const [queries, keys, values, dOuts] = [g.byHead(q!), g.byHead(k!), g.byHead(v!), g.byHead(dOut!)];
  const along = g.byHead(onnx.add('ReduceSum', [onnx.add('Mul', [dOut!, out!]), onnx.int64s(-1)]));
  const blocks = keyBlocks(all, attrs);
  const dqParts: string[][] = blocks.map(() => []);
  const dks: string[] = [];
  const dvs: string[] = [];
  for (const [index, part] of blocks.entries()) {
    const rows = part.rows[1] - part.rows[0];
    const width = part.keys[1] - part.keys[0];
    const [qRows, dRows] = [g.rows(queries, part.rows, d), g.rows(dOuts, part.rows, d)];
    const [kPart, vPart] = [g.keys(keys, part.keys), g.keys(values, part.keys)];
    const product = g.timesTransposed(qRows, kPart, { m: rows, k: d, n: width, alpha: scale });
    const p = onnx.add('Exp', [onnx.add('Sub', [g.masked(product, part, window), g.rows(lse!, part.rows, 1)])]);
    const dp = g.timesTransposed(dRows, vPart, { m: rows, k: d, n: width });
    const ds = onnx.add('Mul', [p, onnx.add('Sub', [dp, g.rows(along, part.rows, 1)])]);
    dvs.push(g.transposedTimes(p, dRows, { m: width, k: rows, n: d }));
    dks.push(g.transposedTimes(ds, qRows, { m: width, k: rows, n: d, alpha: scale }));
    const dq = g.ungroup(g.times(ds, kPart, { m: rows, k: width, n: d, alpha: scale }), rows, d);
    const sizes = rowBlocks(part.rows, blockOf(all, attrs));
    const pieces =
      sizes.length === 1 ? [dq] : onnx.addMany('Split', [dq, onnx.int64s(...sizes)], sizes.length, { axis: 2 });
    for (const [offset, piece] of pieces.entries()) dqParts[index + offset]!.push(piece);
  }
  const dq = g.concatRows(dqParts.map((parts) => (parts.length === 1 ? parts[0]! : onnx.add('Sum', parts))));
  return [g.byHead(dq), g.byHead(g.concatRows(dks)), g.byHead(g.concatRows(dvs))];
}

/** The sizes of the blocks that a range of rows starting on a block boundary is made of. */
function rowBlocks([start, end]: Range, block: number): number[] {
  const sizes: number[] = [];
  for (let row = start; row < end; row += block) sizes.push(Math.min(block, end - row));
  return sizes;
}
