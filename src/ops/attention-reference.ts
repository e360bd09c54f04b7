// Attention and its gradient done naively, pair by pair: what the fast one is tested against.
import type { NdArray, TensorShape } from '../program/program.ts';
import { type Places, sees, seesNothing } from './attention-blocks.ts';
import { type AttentionAttrs, type AttentionSize, sizeOf } from './attention-size.ts';
import { float, ndarray } from './shapes.ts';

interface Seen {
  /** Where the features of the query and the key begin, and those of the output and the value. */
  readonly row: number;
  readonly column: number;
  readonly sum: number;
  readonly value: number;
  /** Which log-sum-exp is the query's. */
  readonly statistic: number;
  readonly score: number;
}

const shapeOf = ({ shape }: NdArray): TensorShape => float(shape);

/** Runs `visit` for every (query, key) pair of every head in which the query sees the key. */
function eachScore(inputs: readonly NdArray[], { scale, window }: AttentionAttrs, visit: (pair: Seen) => void): void {
  const [q, k, v] = inputs as [NdArray, NdArray, NdArray];
  const size = sizeOf(shapeOf(q), shapeOf(k), shapeOf(v));
  const { batch, kvHeads, queries, keys, group, headDim, valueDim } = size;
  for (let b = 0; b < batch; b++) {
    const [ofQueries, ofKeys] = placesOf(inputs.slice(3), size, b);
    for (let h = b * kvHeads; h < (b + 1) * kvHeads; h++)
      for (let i = 0; i < queries; i++)
        for (let j = 0; j < keys; j++) {
          if (!sees(ofQueries, i, ofKeys, j, window)) continue;
          const [column, value] = [(h * keys + j) * headDim, (h * keys + j) * valueDim];
          for (let statistic = (h * queries + i) * group; statistic < (h * queries + i + 1) * group; statistic++) {
            const [row, sum] = [statistic * headDim, statistic * valueDim];
            let score = 0;
            for (let d = 0; d < headDim; d++) score += q.data[row + d]! * k.data[column + d]!;
            visit({ row, column, sum, value, statistic, score: score * scale });
          }
        }
  }
}

function placesOf(places: readonly NdArray[], { queries, keys }: AttentionSize, row: number): [Places, Places] {
  const of = (which: number, tokens: number) => places[which]!.data.subarray(row * tokens, (row + 1) * tokens);
  return [
    { positions: of(0, queries), documents: of(1, queries) },
    { positions: of(2, keys), documents: of(3, keys) },
  ];
}

/** Operands and results as those of the op. */
export function attentionReference(inputs: readonly NdArray[], attrs: AttentionAttrs): NdArray[] {
  const [q, , v] = inputs as [NdArray, NdArray, NdArray];
  const valueDim = v.shape[4]!;
  const most = ndarray([...q.shape.slice(0, 4), 1], () => seesNothing);
  const sum = ndarray(most.shape, () => 0);
  const out = ndarray([...q.shape.slice(0, 4), valueDim], () => 0);
  eachScore(inputs, attrs, ({ statistic, score }) => {
    most.data[statistic] = Math.max(most.data[statistic]!, score);
  });
  eachScore(inputs, attrs, ({ statistic, score }) => {
    sum.data[statistic]! += Math.exp(score - most.data[statistic]!);
  });
  eachScore(inputs, attrs, ({ sum: to, value, statistic, score }) => {
    const p = Math.exp(score - most.data[statistic]!) / sum.data[statistic]!;
    for (let d = 0; d < valueDim; d++) out.data[to + d]! += p * v.data[value + d]!;
  });
  return [out, ndarray(most.shape, (i) => most.data[i]! + (sum.data[i] === 0 ? 0 : Math.log(sum.data[i]!)))];
}

/** Operands and results as those of the gradient's op. */
export function attentionGradReference(inputs: readonly NdArray[], attrs: AttentionAttrs): NdArray[] {
  const [q, k, v] = inputs as [NdArray, NdArray, NdArray];
  const [lse, dSum, dLse] = inputs.slice(7) as [NdArray, NdArray, NdArray];
  const [headDim, valueDim] = [q.shape[4]!, v.shape[4]!];
  const [dq, dk, dv] = [q, k, v].map(({ shape }) => ndarray(shape, () => 0)) as [NdArray, NdArray, NdArray];
  eachScore(inputs.slice(0, 7), attrs, ({ row, column, sum, value, statistic, score }) => {
    const p = Math.exp(score - lse.data[statistic]!);
    let dp = dLse.data[statistic]!;
    for (let d = 0; d < valueDim; d++) dp += dSum.data[sum + d]! * v.data[value + d]!;
    const ds = p * dp * attrs.scale;
    for (let d = 0; d < headDim; d++) {
      dq.data[row + d]! += ds * k.data[column + d]!;
      dk.data[column + d]! += ds * q.data[row + d]!;
    }
    for (let d = 0; d < valueDim; d++) dv.data[value + d]! += p * dSum.data[sum + d]!;
  });
  return [dq, dk, dv];
}
