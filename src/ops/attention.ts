// Causal attention with grouped heads: the op, its gradient, their typing, cost and naive references.
// How they run in blocks is in attention-lowering.ts.

import type { Value } from '../program/program.ts';
import { expectShape, type NdArray, type Op, type TensorShape } from '../program/program.ts';
import { apply } from '../program/trace.ts';
import { keyBlocks, lowerAttention, lowerAttentionGrad, queryStrips } from './attention-lowering.ts';
import { type AttentionAttrs, attentionSize } from './attention-size.ts';
import { float, ndarray } from './shapes.ts';

function expectHeads(q: TensorShape, k: TensorShape, v: TensorShape): void {
  expectShape(q.shape.length === 4, `needs q [b, s, heads, headDim], got [${q.shape}]`);
  expectShape(k.shape.join() === v.shape.join(), `k [${k.shape}] and v [${v.shape}] must be equal`);
  const { heads, kvHeads, batch, length, headDim } = attentionSize(q, k);
  expectShape(
    k.shape[0] === batch && k.shape[1] === length && k.shape[3] === headDim,
    `q [${q.shape}] and k [${k.shape}] do not belong together; only the number of heads may differ`,
  );
  expectShape(
    heads % kvHeads === 0,
    `${heads} heads are not whole groups of ${kvHeads} key-value heads; make heads a multiple of them`,
  );
}

/** Results: output [b, s, heads, headDim] and the log-sum-exp of each query's scores [b, heads, s, 1]. */
const attentionOp: Op<AttentionAttrs> = {
  name: 'attention',
  shape: ([q, k, v]) => {
    expectHeads(q!, k!, v!);
    return [float(q!.shape), float([q!.shape[0]!, q!.shape[2]!, q!.shape[1]!, 1])];
  },
  typing: { dims: 'b s! h d!, b s! h d!, b s! h d! -> b s h d, b h s 1' },
  flops: ([q, k], attrs) => {
    const size = attentionSize(q!, k!);
    const { batch, heads, headDim } = size;
    const scores = queryStrips(size, attrs).reduce(
      (sum, { rows, keys }) => sum + (rows[1] - rows[0]) * (keys[1] - keys[0]),
      0,
    );
    return 4 * batch * heads * headDim * scores;
  },
  vjp: ({ node, gradients: [g] }) => {
    const [q, k, v] = node.inputs as [Value, Value, Value];
    return apply(attentionGradOp, [g!, q, k, v, node.outputs[0]!, node.outputs[1]!], node.attrs);
  },
  execution: { by: 'onnx', lower: lowerAttention },
  reference: ([q, k, v], attrs) => attentionReference(q!, k!, v!, attrs),
};

/** Recomputes the probabilities from the saved log-sum-exp; results: the gradients of q, k, v. */
const attentionGradOp: Op<AttentionAttrs> = {
  name: 'attentionGrad',
  shape: ([, q, k, v]) => [float(q!.shape), float(k!.shape), float(v!.shape)],
  typing: {
    dims: 'b s! h d!, b s! h d!, b s! h d!, b s! h d!, b s! h d!, b h s! 1 -> b s h d, b s h d, b s h d',
    linear: [0],
  },
  flops: ([, q, k], attrs) => {
    const size = attentionSize(q!, k!);
    const { batch, heads, headDim } = size;
    const scores = keyBlocks(size, attrs).reduce(
      (sum, { rows, keys }) => sum + (rows[1] - rows[0]) * (keys[1] - keys[0]),
      0,
    );
    return 10 * batch * heads * headDim * scores;
  },
  execution: { by: 'onnx', lower: lowerAttentionGrad },
  reference: ([dOut, q, k, v, out, lse], attrs) => attentionGradReference(dOut!, q!, k!, v!, out!, lse!, attrs),
};

const visible = (query: number, key: number, window: number | undefined) =>
  key <= query && (window === undefined || key > query - window);

/** Runs `visit` for every visible (query, key) pair of every head with the scaled score. */
function eachScore(
  q: NdArray,
  k: NdArray,
  { scale, window }: AttentionAttrs,
  visit: (at: { query: number; key: number; row: number; column: number; statistic: number; score: number }) => void,
): void {
  const { batch, length, heads, kvHeads, headDim } = attentionSize(float(q.shape), float(k.shape));
  for (let b = 0; b < batch; b++)
    for (let h = 0; h < heads; h++)
      for (let i = 0; i < length; i++)
        for (let j = 0; j <= i; j++) {
          if (!visible(i, j, window)) continue;
          const row = ((b * length + i) * heads + h) * headDim;
          const column = ((b * length + j) * kvHeads + Math.floor((h * kvHeads) / heads)) * headDim;
          let score = 0;
          for (let d = 0; d < headDim; d++) score += q.data[row + d]! * k.data[column + d]!;
          visit({ query: i, key: j, row, column, statistic: (b * heads + h) * length + i, score: score * scale });
        }
}

function attentionReference(q: NdArray, k: NdArray, v: NdArray, attrs: AttentionAttrs): NdArray[] {
  const { batch, length, heads, headDim } = attentionSize(float(q.shape), float(k.shape));
  const most = new Float64Array(batch * heads * length).fill(Number.NEGATIVE_INFINITY);
  const sum = new Float64Array(batch * heads * length);
  const out = ndarray(q.shape, () => 0);
  eachScore(q, k, attrs, ({ statistic, score }) => {
    most[statistic] = Math.max(most[statistic]!, score);
  });
  eachScore(q, k, attrs, ({ statistic, score }) => {
    sum[statistic]! += Math.exp(score - most[statistic]!);
  });
  eachScore(q, k, attrs, ({ row, column, statistic, score }) => {
    const p = Math.exp(score - most[statistic]!) / sum[statistic]!;
    for (let d = 0; d < headDim; d++) out.data[row + d]! += p * v.data[column + d]!;
  });
  return [out, ndarray([batch, heads, length, 1], (i) => most[i]! + Math.log(sum[i]!))];
}

function attentionGradReference(
  dOut: NdArray,
  q: NdArray,
  k: NdArray,
  v: NdArray,
  out: NdArray,
  lse: NdArray,
  attrs: AttentionAttrs,
): NdArray[] {
  const { headDim } = attentionSize(float(q.shape), float(k.shape));
  const [dq, dk, dv] = [ndarray(q.shape, () => 0), ndarray(k.shape, () => 0), ndarray(v.shape, () => 0)];
  eachScore(q, k, attrs, ({ row, column, statistic, score }) => {
    const p = Math.exp(score - lse.data[statistic]!);
    let dp = 0;
    let along = 0;
    for (let d = 0; d < headDim; d++) {
      dp += dOut.data[row + d]! * v.data[column + d]!;
      along += dOut.data[row + d]! * out.data[row + d]!;
    }
    const ds = p * (dp - along) * attrs.scale;
    for (let d = 0; d < headDim; d++) {
      dq.data[row + d]! += ds * k.data[column + d]!;
      dk.data[column + d]! += ds * q.data[row + d]!;
      dv.data[column + d]! += p * dOut.data[row + d]!;
    }
  });
  return [dq, dk, dv];
}

/** Causal attention: q [b, s, heads, headDim], k and v [b, s, kvHeads, headDim] -> [b, s, heads, headDim]. */
export const attention = (q: Value, k: Value, v: Value, attrs: AttentionAttrs): Value =>
  apply(attentionOp, [q, k, v], attrs)[0]!;

export const attentionOps = { attentionOp, attentionGradOp };
